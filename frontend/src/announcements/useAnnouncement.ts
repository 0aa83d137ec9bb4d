import { computed, ref } from 'vue'
import { makeAttempt } from '@/api/attempt'
import type { Notification, NotificationRequest } from '@/api/chat.gen'
import { fieldErrors } from '@/api/fieldErrors'
import { reason } from '@/api/problem'
import { useApi } from '@/session/useApi'

/** Maximum number of agents of one announcement, unless it is for all. */
const most = 200

/** The form of an announcement and its sending: once, however often the request is retried. */
export function useAnnouncement() {
  const api = useApi()
  const text = ref('')
  const everybody = ref('yes')
  const chosen = ref<string[]>([])
  const failure = ref('')
  const busy = ref(false)
  const tried = ref(false)
  const refused = ref(new Map<string, string>())
  const attempt = makeAttempt()

  const audience = computed(() => (everybody.value === 'yes' ? 'all' : [...chosen.value].sort()))

  const errors = computed(() => ({
    text:
      tried.value && !text.value.trim() ? 'Write the announcement.' : refused.value.get('#/text'),
    audience: tried.value ? wrongAudience() : undefined,
  }))

  function wrongAudience() {
    if (audience.value.length === 0) return 'Choose at least one agent.'
    if (audience.value.length > most && audience.value !== 'all')
      return `Choose at most ${most} agents, or everybody.`
    return [...refused.value].find(([pointer]) => pointer.startsWith('#/audience'))?.[1]
  }

  async function send(): Promise<Notification | undefined> {
    tried.value = true
    refused.value = new Map()
    failure.value = ''
    if (busy.value || errors.value.text || errors.value.audience) return
    const said = { text: text.value.trim(), audience: audience.value }
    const body: NotificationRequest = { ...said, clientId: attempt.keyFor(JSON.stringify(said)) }
    busy.value = true
    try {
      const sent = await api.post<Notification>('/api/notifications', body)
      attempt.done()
      text.value = ''
      tried.value = false
      return sent
    } catch (error) {
      failure.value = reason(error)
      refused.value = fieldErrors(error)
    } finally {
      busy.value = false
    }
  }

  return { text, everybody, chosen, errors, failure, busy, send }
}
