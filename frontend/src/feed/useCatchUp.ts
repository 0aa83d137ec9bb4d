import { onScopeDispose, ref } from 'vue'
import { Problem, isPassing } from '@/api/problem'
import { backoff } from '@/hub/backoff'

/** After the last push the log is asked within this time, which differs from window to window … */
const calm = [500, 2_000] as const
/** … and after the first one within this, however many follow. */
const patience = 5_000

/**
 * When to read the log: `now` at once, `soon` when pushes pause. One reading
 * at a time; a wish that comes during one is met after it. A reading that
 * the network or the server failed is done again; any other failure is told to
 * who wished for it.
 */
export function useCatchUp(reading: () => Promise<void>) {
  let running: Promise<void> | undefined
  let again = false
  let disposed = false
  let timer: ReturnType<typeof setTimeout> | undefined
  let waitingSince = 0
  let failures = 0
  /** The first reading has not succeeded yet. */
  const first = ref(true)

  function soon() {
    const [least, most] = calm
    waitingSince ||= Date.now()
    const wait = least + Math.random() * (most - least)
    later(Math.min(wait, Math.max(0, waitingSince + patience - Date.now())))
  }

  function later(milliseconds: number) {
    clearTimeout(timer)
    timer = setTimeout(now, milliseconds)
  }

  function now(): Promise<void> {
    clearTimeout(timer)
    waitingSince = 0
    if (running) again = true
    running ??= Promise.resolve()
      .then(run)
      .finally(() => (running = undefined))
    return running
  }

  async function run() {
    do {
      again = false
      try {
        await reading()
        first.value = false
        failures = 0
      } catch (error) {
        // The session's end is told by the session.
        if (disposed || (error instanceof Problem && error.status === 401)) return
        if (!isPassing(error)) throw error
        // Weather; the state of the connection is shown elsewhere.
        later(backoff(failures++))
        return
      }
    } while (again && !disposed)
  }

  onScopeDispose(() => {
    disposed = true
    clearTimeout(timer)
  })

  return { first, now, soon }
}
