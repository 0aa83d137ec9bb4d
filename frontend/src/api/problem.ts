import { NoAnswer } from './noAnswer'
import type { Problem as Body } from './portal.gen'

/** What the server refused, as RFC 9457 says it. Its message may be shown to people. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    /** What stands between us and the server answers in its own way: then there is nothing in it. */
    readonly body: Partial<Body>,
  ) {
    super(sentence(body.detail || body.title || `The server answered with status ${status}.`))
    this.name = 'Problem'
  }
}

export const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** Why something did not work, in words for people. */
export function reason(error: unknown): string {
  if (error instanceof Problem) return error.message
  if (error instanceof NoAnswer)
    return 'The server could not be reached. Check your connection and try again.'
  return 'Something went wrong in this page. Load it again.'
}

/** Whether the server refused it for this reason. */
export const isRefusal = (error: unknown, code: string) =>
  error instanceof Problem && error.body.code === code

/** Whether the same may well work a little later: the network's or the server's bad moment. */
export const isPassing = (error: unknown) =>
  error instanceof NoAnswer ||
  (error instanceof Problem && (error.status >= 500 || error.status === 429))
