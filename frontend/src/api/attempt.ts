import { uuid } from './uuid'

/**
 * A name for what is being tried, by which the server knows a retry: the same
 * while the same is tried, until it is done.
 */
export function makeAttempt() {
  let tried: string | undefined
  let key = ''

  return {
    keyFor(what: string) {
      if (tried !== what) {
        tried = what
        key = uuid()
      }
      return key
    },
    /** Whether what is being tried goes by this name. */
    is: (name: string) => tried !== undefined && key === name,
    /** It is known to have worked: the same again is something new. */
    done: () => (tried = undefined),
  }
}
