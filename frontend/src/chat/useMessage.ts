import { ref, watch, type Ref } from 'vue'
import { makeAttempt } from '@/api/attempt'
import { NoAnswer } from '@/api/noAnswer'
import { Problem, isPassing, reason } from '@/api/problem'
import { injectFeed } from '@/feed/useFeed'

/**
 * A message that is written, and saying it: once, however often it has to be
 * tried. When the connection breaks on it, it is sent again by itself after the
 * next one, under the same id.
 */
export function useMessage(replyTo: Ref<number | undefined>) {
  const feed = injectFeed()
  const text = ref('')
  const failure = ref('')
  const busy = ref(false)
  const attempt = makeAttempt()
  /** What got no answer, until there is a connection to send it again. */
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
      // Unless it was heard meanwhile.
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
    // What was typed meanwhile stays.
    if (text.value.trim() !== said) return
    text.value = ''
    replyTo.value = undefined
  }

  watch(feed.status, status => {
    if (status !== 'open' || !unanswered) return
    // What was changed since is not what the agent wanted to say then.
    if (wanted() === unanswered) void send()
    else failure.value = unanswered = ''
  })

  // What got no answer may have been said all the same.
  watch(feed.messages, messages => {
    const mine = messages.findLast(({ id, author }) => author === feed.login && attempt.is(id))
    if (mine) clear(mine.body)
  })

  return { text, failure, busy, send }
}

function explain(error: unknown): string {
  if (error instanceof NoAnswer)
    return 'There is no connection. Your message is sent as soon as it is back.'
  if (error instanceof Problem && (error.status === 429 || !isPassing(error)))
    return `Not sent. ${reason(error)}`
  return 'The server could not take it. Your text is kept: send it again, it is said only once.'
}
