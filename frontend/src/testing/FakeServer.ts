import type { Problem } from '@/api/portal.gen'
import { onTestFinished, vi } from 'vitest'

export interface Received {
  method: string
  path: string
  body: unknown
  headers: Headers
}

type Answer = (request: Received) => Response | Promise<Response>

/** A fake server: answers as the test says, and records its requests. */
export class FakeServer {
  received: Received[] = []
  private answers = new Map<string, Answer>()

  constructor() {
    vi.stubGlobal('fetch', (path: string, init: RequestInit) => this.answer(path, init))
    onTestFinished(() => void vi.unstubAllGlobals())
  }

  /** Sets the response for a route such as `POST /api/offers`; the last call wins. */
  on(call: string, answer: Answer) {
    this.answers.set(call, answer)
    return this
  }

  count = (call: string) =>
    this.received.filter(({ method, path }) => `${method} ${path}` === call).length

  private async answer(url: string, init: RequestInit): Promise<Response> {
    const path = url.split('?')[0] ?? ''
    const method = init.method ?? 'GET'
    const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : undefined
    const request = { method, path, body, headers: new Headers(init.headers) }
    this.received.push(request)
    const answer = this.answers.get(`${method} ${path}`)
    return answer ? answer(request) : refusal(404, 'none', 'Nothing here.')
  }
}

export const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json' },
  })

export const refusal = (status: number, code: string, detail: string, errors?: Problem['errors']) =>
  new Response(JSON.stringify({ status, code, detail, errors }), {
    status,
    headers: { 'Content-Type': 'application/problem+json' },
  })

export const nothing = () => new Response(null, { status: 204 })
