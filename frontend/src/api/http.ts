import { NoAnswer } from './noAnswer'
import { Problem } from './problem'

/** Timeout of a request in milliseconds. */
const deadline = 15_000

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
}

/**
 * Sends one request to the portal's server. Throws a Problem for an error response,
 * and NoAnswer when no response arrived in time or the request was aborted.
 */
export async function http<T>(path: string, call: Call = {}): Promise<T> {
  const { method = 'GET', body, headers, signal } = call
  const tooLate = AbortSignal.timeout(deadline)
  const sent: RequestInit = {
    method,
    headers: {
      Accept: 'application/json',
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: signal ? AbortSignal.any([signal, tooLate]) : tooLate,
  }
  const { response, text } = await exchange(path, sent)
  if (!response.ok) throw new Problem(response.status, problem(response, text))
  return (text === '' ? undefined : JSON.parse(text)) as T
}

/** Reads a whole response, which can also break off in the middle. */
async function exchange(path: string, sent: RequestInit) {
  try {
    const response = await fetch(path, sent)
    return { response, text: await response.text() }
  } catch (error) {
    throw new NoAnswer(error)
  }
}

function problem(response: Response, text: string): Problem['body'] {
  // A proxy may answer in its own format.
  if (!response.headers.get('Content-Type')?.includes('json')) return {}
  try {
    return JSON.parse(text) as Problem['body']
  } catch {
    return {}
  }
}
