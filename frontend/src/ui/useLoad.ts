import { onScopeDispose, ref, shallowRef } from 'vue'
import { Problem, reason } from '@/api/problem'

/**
 * Loads the data of a page. Only the newest load counts: the response to an older
 * load, or a response after the page has closed, is dropped.
 */
export function useLoad<T>(fetch: (signal: AbortSignal) => Promise<T>) {
  const data = shallowRef<T>()
  const failure = ref('')
  /** The resource does not exist: a retry does not help. */
  const missing = ref(false)
  const loading = ref(false)
  let current: AbortController | undefined

  async function load() {
    current?.abort()
    const mine = (current = new AbortController())
    loading.value = true
    failure.value = ''
    missing.value = false
    try {
      const answer = await fetch(mine.signal)
      if (!mine.signal.aborted) data.value = answer
    } catch (error) {
      if (mine.signal.aborted) return
      failure.value = reason(error)
      missing.value = error instanceof Problem && error.status === 404
    } finally {
      if (current === mine) loading.value = false
    }
  }

  onScopeDispose(() => current?.abort())
  void load()
  return { data, failure, missing, loading, load }
}
