import { onScopeDispose, ref, shallowRef } from 'vue'
import { reason } from '@/api/problem'
import type { PolicyPage, PolicySummary } from '@/api/policy.gen'
import { useApi } from '@/session/useApi'

const pageSize = '25'

/** The agent's policies, page after page. */
export function usePolicies() {
  const api = useApi()
  const policies = shallowRef<PolicySummary[]>()
  const failure = ref('')
  const busy = ref(false)
  const more = ref(false)
  const gone = new AbortController()
  let cursor = ''

  async function loadMore() {
    if (busy.value) return
    busy.value = true
    failure.value = ''
    try {
      const query = new URLSearchParams({ limit: pageSize, ...(cursor && { cursor }) })
      const page = await api.get<PolicyPage>(`/api/policies?${query}`, gone.signal)
      policies.value = [...(policies.value ?? []), ...page.items]
      cursor = page.next ?? ''
      more.value = cursor !== ''
    } catch (error) {
      if (!gone.signal.aborted) failure.value = reason(error)
    } finally {
      busy.value = false
    }
  }

  onScopeDispose(() => gone.abort())
  void loadMore()
  return { policies, failure, busy, more, loadMore }
}
