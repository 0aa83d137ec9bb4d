import { computed, inject, onScopeDispose, provide, ref, shallowRef, type InjectionKey } from 'vue'
import type { Entry } from '@/api/types'
import { readSince, type ReadLog } from './readSince'
import { settle, type Provisional } from './settle'
import { useCatchUp } from './useCatchUp'
import { useReadMarks } from './useReadMarks'

/** The stream of the room that all agents share. */
const general = 'General'
/** Entries kept per list; the oldest go first, the server still has them. */
const keptEntries = 5_000
/** Pushes that wait for the log; the oldest go first, the log will bring them. */
const keptProvisional = 500
/** Lines about who came and went; the oldest go first. They are stored nowhere. */
const keptPresence = 50

/** A line that is never stored, placed after the entry that was last when it came. */
export interface PresenceLine {
  key: number
  text: string
  after: number
}

/**
 * What an agent sees of chat and notices. The log is the truth; a push is shown
 * at once as a hint of it, until the log confirms it. Nothing is shown twice,
 * and the order is the log's.
 */
export function useFeed(login: string, readLog: ReadLog, told: (missed: Entry[]) => void) {
  const messages = shallowRef<Entry[]>([])
  const notices = shallowRef<Entry[]>([])
  const provisional = ref<Provisional[]>([])
  const presence = shallowRef<PresenceLine[]>([])
  const marks = useReadMarks(login)
  const wanted = new AbortController()
  const catchUp = useCatchUp(reconcile)

  let cursor = ''
  let heads = new Map<string, number>()
  let nextKey = 1

  async function reconcile() {
    const mark = nextKey
    const known = cursor !== ''
    const { added, head, replaces } = await readSince(cursor, readLog, wanted.signal)
    if (wanted.signal.aborted) return

    if (replaces) heads = new Map()
    const fresh = added.filter(({ stream, sequence }) => {
      if (sequence <= (heads.get(stream) ?? 0)) return false
      heads.set(stream, sequence)
      return true
    })
    cursor = head
    messages.value = append(replaces ? [] : messages.value, fresh.filter(isMessage))
    notices.value = append(replaces ? [] : notices.value, fresh.filter(isNotice))

    const { kept, pairs, unannounced } = settle(provisional.value, mark, fresh)
    provisional.value = kept
    if (replaces && known) marks.clamp(heads)
    marks.read(pairs.filter(([item]) => item.seen).map(([, entry]) => entry))
    const missed = unannounced.filter(isNotice).filter(ofOthers)
    if (!replaces && missed.length > 0) told(missed)
  }

  function push(kind: Provisional['kind'], author: string, avatar: string, body: string) {
    const at = new Date().toISOString()
    const item = { key: nextKey++, kind, author, avatar, body, at, seen: false }
    provisional.value = [...provisional.value, item].slice(-keptProvisional)
    catchUp.soon()
  }

  function tellPresence(text: string) {
    const line = { key: nextKey++, text, after: messages.value.at(-1)?.sequence ?? 0 }
    presence.value = [...presence.value, line].slice(-keptPresence)
  }

  function markRead(kind: Provisional['kind']) {
    marks.read((kind === 'message' ? messages : notices).value)
    for (const item of provisional.value) if (item.kind === kind) item.seen = true
  }

  const waiting = (kind: Provisional['kind']) =>
    computed(() => provisional.value.filter(item => item.kind === kind))
  const waitingMessages = waiting('message')
  const waitingNotices = waiting('notice')
  const unseen = (item: Provisional) => !item.seen
  const unread = (entry: Entry) => !marks.isRead(entry)
  /** A notice of what the agent did themselves: they know. It names who did it first. */
  const isOwn = (notice: string) => notice.startsWith(`${login} `)
  const ofOthers = ({ body }: { body: string }) => !isOwn(body)
  const byOthers = ({ author }: { author: string }) => author !== login

  onScopeDispose(() => wanted.abort())

  return {
    login,
    messages,
    notices,
    waitingMessages,
    waitingNotices,
    presence,
    loading: catchUp.first,
    unreadMessages: computed(
      () =>
        messages.value.filter(byOthers).filter(unread).length +
        waitingMessages.value.filter(byOthers).filter(unseen).length,
    ),
    unreadNotices: computed(
      () =>
        notices.value.filter(ofOthers).filter(unread).length +
        waitingNotices.value.filter(ofOthers).filter(unseen).length,
    ),
    pushMessage: (author: string, avatar: string, body: string) =>
      push('message', author, avatar, body),
    pushNotice: (body: string) => push('notice', '', '', body),
    isOwn,
    tellPresence,
    markRead,
    catchUp: catchUp.now,
  }
}

const isMessage = (entry: Entry) => entry.stream === general && entry.kind === 'message'
const isNotice = (entry: Entry) => entry.kind === 'notice'
const append = (entries: Entry[], more: Entry[]) =>
  more.length > 0 || entries.length === 0 ? [...entries, ...more].slice(-keptEntries) : entries

export type Feed = ReturnType<typeof useFeed>

const feedKey: InjectionKey<Feed> = Symbol('feed')
export const provideFeed = (feed: Feed) => provide(feedKey, feed)

/** The feed of the agent who is signed in; for components inside the shell. */
export function injectFeed(): Feed {
  const feed = inject(feedKey)
  if (!feed) throw new Error('no feed: this component belongs inside the shell')
  return feed
}
