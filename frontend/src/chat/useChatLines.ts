import { computed, type Ref } from 'vue'
import type { Entry } from '@/api/hubs.gen'
import type { Feed } from '@/feed/useFeed'

export type ChatLine =
  | { key: string; kind: 'day'; at: string }
  | { key: string; kind: 'presence'; text: string }
  | {
      key: string
      kind: 'message'
      author: string
      avatar: string
      body: string
      at: string
      /** Follows a message of the same author closely, so the author is not repeated. */
      continued: boolean
      sequence: number
      /** The message replied to; without content when that message is not loaded. */
      quote?: Partial<Pick<Entry, 'author' | 'body'>>
    }

const close = 5 * 60_000

/** The newest `most` messages as lines, with lines for days and for agents who joined or left. */
export function useChatLines(feed: Feed, most: Ref<number>) {
  return computed(() => {
    const all = feed.messages.value
    const shown = all.slice(-most.value)
    const from = all.length > shown.length ? (shown[0]?.sequence ?? 0) : 0
    const presence = feed.presence.value.filter(({ after }) => after >= from)
    const result: ChatLine[] = []
    let last: (typeof shown)[number] | undefined

    const tell = (before: number) => {
      for (let line = presence[0]; line && line.after < before; line = presence[0]) {
        presence.shift()
        const { key, text } = line
        result.push({ key: `presence ${key}`, kind: 'presence', text })
        last = undefined
      }
    }

    let date = ''
    for (const message of shown) {
      const day = new Date(message.at).toDateString()
      tell(message.sequence)
      if (day !== date) {
        result.push({ key: `day ${day}`, kind: 'day', at: message.at })
        last = undefined
      }
      date = day
      const { sequence, author, avatar, body, at, replyTo } = message
      const key = `message ${sequence}`
      const continued =
        !replyTo && last?.author === author && Date.parse(at) - Date.parse(last.at) < close
      const quote = replyTo ? (all.find(entry => entry.sequence === replyTo) ?? {}) : undefined
      const line = { key, author, avatar, body, at, continued, sequence, quote }
      result.push({ kind: 'message', ...line })
      last = message
    }
    tell(Infinity)
    return result
  })
}
