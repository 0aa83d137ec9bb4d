import { uuid } from './uuid'

/**
 * The idempotency key of a request: unchanged while the same request is retried,
 * until it has succeeded.
 */
export function makeAttempt() {
  let tried: string | undefined
  let key = ''

  return {
    keyFor(request: string) {
      if (tried !== request) {
        tried = request
        key = uuid()
      }
      return key
    },
    /** Whether the current attempt has this key. */
    is: (name: string) => tried !== undefined && key === name,
    /** Ends the attempt after a success: the same request again is a new one. */
    done: () => (tried = undefined),
  }
}
