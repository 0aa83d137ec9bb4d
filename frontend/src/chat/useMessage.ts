import { ref, watch } from 'vue'
import { makeAttempt } from '@/api/attempt'
import { Problem, isPassing, reason } from '@/api/problem'
import type { Entry } from '@/api/types'
import { injectFeed } from '@/feed/useFeed'
import { injectLive } from '@/hub/useLive'
import { useApi } from '@/session/useApi'

/**
 * A message that is written, and saying it: once, however often it has to be
 * tried. It is sent by a request, which can be repeated under the same id; the
 * hub only tells what was said.
 */
export function useMessage() {
  const api = useApi()
  const feed = injectFeed()
  const { status } = injectLive()
  const text = ref('')
  const failure = ref('')
  const busy = ref(false)
  const attempt = makeAttempt()

  async function send() {
    const said = text.value.trim()
    if (busy.value || !said) return
    const clientId = attempt.keyFor(said)
    busy.value = true
    failure.value = ''
    try {
      await api.post<Entry>('/api/messages', { text: said, clientId })
      if (attempt.is(clientId)) clear(said)
      // The hub tells it; where there is none just now, the log does.
      if (status.value !== 'open') void feed.catchUp()
    } catch (error) {
      // Unless the log has shown it meanwhile.
      if (attempt.is(clientId)) failure.value = explain(error)
    } finally {
      busy.value = false
    }
  }

  function clear(said: string) {
    attempt.done()
    failure.value = ''
    // What was typed meanwhile stays.
    if (text.value.trim() === said) text.value = ''
  }

  // What got no answer may have been said all the same.
  watch(feed.messages, messages => {
    const mine = messages.findLast(({ id, author }) => author === feed.login && attempt.is(id))
    if (mine) clear(mine.body)
  })

  return { text, failure, busy, send }
}

function explain(error: unknown): string {
  if (error instanceof Problem && (error.status === 429 || !isPassing(error)))
    return `Not sent. ${reason(error)}`
  return 'No answer came. Your text is kept: send it again, it is said only once.'
}
