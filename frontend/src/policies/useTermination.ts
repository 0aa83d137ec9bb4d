import { ref } from 'vue'
import { makeAttempt } from '@/api/attempt'
import { Problem, reason } from '@/api/problem'
import type { Termination } from '@/api/policy.gen'
import { useApi } from '@/session/useApi'

/**
 * Terminates a policy: once, however often the request is retried. `outdated` is
 * called when the policy has changed since it was loaded.
 */
export function useTermination(number: string, outdated: () => void) {
  const api = useApi()
  const failure = ref('')
  const busy = ref(false)
  // The same day is the same termination, also when its response was lost.
  const attempt = makeAttempt()

  async function terminate(terminationDate: string): Promise<Termination | undefined> {
    if (busy.value) return
    failure.value = terminationDate ? '' : 'Choose the last day of the policy.'
    if (!terminationDate) return
    busy.value = true
    try {
      const path = `/api/policies/${encodeURIComponent(number)}/termination`
      const headers = { 'Idempotency-Key': attempt.keyFor(terminationDate) }
      return await api.post<Termination>(path, { terminationDate }, { headers })
    } catch (error) {
      failure.value = reason(error)
      if (error instanceof Problem && error.status === 409) outdated()
    } finally {
      busy.value = false
    }
  }

  return { failure, busy, terminate }
}
