import { ref } from 'vue'
import { makeAttempt } from '@/api/attempt'
import type { Product } from '@/api/policy.gen'
import { isRefusal, reason } from '@/api/problem'
import { useApi } from '@/session/useApi'

/**
 * Activates a product: once, however often the request is retried. `outdated` is
 * called when another administrator has activated the product already.
 */
export function useActivation(code: string, outdated: () => void) {
  const api = useApi()
  const failure = ref('')
  const busy = ref(false)
  const attempt = makeAttempt()

  async function activate(): Promise<Product | undefined> {
    if (busy.value) return
    busy.value = true
    failure.value = ''
    try {
      const path = `/api/products/${encodeURIComponent(code)}/activation`
      const headers = { 'Idempotency-Key': attempt.keyFor(code) }
      return await api.post<Product>(path, undefined, { headers })
    } catch (error) {
      failure.value = reason(error)
      if (isRefusal(error, 'product-active')) outdated()
    } finally {
      busy.value = false
    }
  }

  return { failure, busy, activate }
}
