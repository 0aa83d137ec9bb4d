import { ref, watch, type Ref } from 'vue'
import { makeAttempt } from '@/api/attempt'
import { NoAnswer } from '@/api/noAnswer'
import { Problem, isPassing, reason } from '@/api/problem'
import { injectFeed } from '@/feed/useFeed'

/**
 * A draft and its sending: stored once, however often the call is retried. When the
 * connection breaks during the call, the draft is sent again under the same id after
 * the next connection.
 */
export function useMessage(replyTo: Ref<number | undefined>) {
  const feed = injectFeed()
  const text = ref('')
  const failure = ref('')
  const busy = ref(false)
  const attempt = makeAttempt()
  /** The draft without an answer, until a connection exists to send it again. */
  let unanswered = ''

  const wanted = () => JSON.stringify([text.value.trim(), replyTo.value])

  async function send() {
    const said = text.value.trim()
    if (busy.value || !said) return
    const wish = wanted()
    const clientId = attempt.keyFor(wish)
    busy.value = true
    failure.value = unanswered = ''
    try {
      await feed.say(clientId, said, replyTo.value ? { replyTo: replyTo.value } : {})
      if (attempt.is(clientId)) clear(said)
    } catch (error) {
      // Unless its entry has arrived meanwhile.
      if (!attempt.is(clientId)) return
      failure.value = explain(error)
      if (error instanceof NoAnswer) unanswered = wish
    } finally {
      busy.value = false
    }
  }

  function clear(said: string) {
    attempt.done()
    failure.value = unanswered = ''
    // Text typed meanwhile stays.
    if (text.value.trim() !== said) return
    text.value = ''
    replyTo.value = undefined
  }

  watch(feed.status, status => {
    if (status !== 'open' || !unanswered) return
    // A text edited since then is another message.
    if (wanted() === unanswered) void send()
    else failure.value = unanswered = ''
  })

  // A draft without an answer may have been stored.
  watch(feed.messages, messages => {
    const mine = messages.findLast(({ id, author }) => author === feed.login && attempt.is(id))
    if (mine) clear(mine.body)
  })

  return { text, failure, busy, send }
}

function explain(error: unknown): string {
  if (error instanceof NoAnswer)
    return 'You are offline. Your message will be sent when the connection is back.'
  if (error instanceof Problem && (error.status === 429 || !isPassing(error)))
    return `Not sent. ${reason(error)}`
  return 'Your message could not be sent. Your text is kept; try again.'
}
