import { NoAnswer } from './noAnswer'
import type { Problem as Body } from './portal.gen'

/** An error response by RFC 9457. Its message may be shown to people. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    /** Empty when a proxy answered in its own format. */
    readonly body: Partial<Body>,
  ) {
    super(sentence(body.detail || body.title || `The server answered with status ${status}.`))
    this.name = 'Problem'
  }
}

export const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** The text of an error for people. */
export function reason(error: unknown): string {
  if (error instanceof Problem) return error.message
  if (error instanceof NoAnswer)
    return 'The server could not be reached. Check your connection and try again.'
  return 'Something went wrong. Reload the page.'
}

/** Whether the server refused the request with this code. */
export const isRefusal = (error: unknown, code: string) =>
  error instanceof Problem && error.body.code === code

/** Whether a retry may succeed: a transient error of the network or the server. */
export const isPassing = (error: unknown) =>
  error instanceof NoAnswer ||
  (error instanceof Problem && (error.status >= 500 || error.status === 429))
