import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import type { AgentPage, KnownAgent } from '@/api/chat.gen'
import { useApi } from '@/session/useApi'

/** All agents, by login. */
export const useAgentsStore = defineStore('agents', () => {
  const api = useApi()
  const agents = shallowRef<KnownAgent[]>([])

  async function load(signal: AbortSignal): Promise<KnownAgent[]> {
    const loaded: KnownAgent[] = []
    let cursor = ''
    do {
      const query = new URLSearchParams({ limit: '200', ...(cursor && { cursor }) })
      const page = await api.get<AgentPage>(`/api/agents?${query}`, signal)
      loaded.push(...page.items)
      cursor = page.next ?? ''
    } while (cursor)
    return (agents.value = loaded)
  }

  return { agents, load, find: (login: string) => agents.value.find(each => each.login === login) }
})
