import { onScopeDispose, ref, shallowRef } from 'vue'
import { Problem, reason } from '@/api/problem'

/**
 * Data that a page needs. Only the newest load counts: an answer to an older
 * one, or after the page is gone, is dropped.
 */
export function useLoad<T>(fetch: (signal: AbortSignal) => Promise<T>) {
  const data = shallowRef<T>()
  const failure = ref('')
  /** There is no such thing: trying again does not help. */
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
