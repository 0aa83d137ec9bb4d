import { computed, inject, provide, watch, type InjectionKey } from 'vue'
import type { Cursors, Entry, Joined, SendOptions } from '@/api/hubs.gen'
import type { Hub } from '@/hub/useHub'
import { mergeNotices, nextOlder } from './mergeNotices'
import { hasOlder, isBare, unread } from './stream'
import { useGaps, type ReadAfter } from './useGaps'
import { useJoin } from './useJoin'
import { useReadCursors } from './useReadCursors'
import { useHistory } from './useHistory'
import { usePresence } from './usePresence'
import { useStreams } from './useStreams'

/** The stream of the room General. */
const general = 'General'

/**
 * The agent's messages and notices: the log, as pushed by the hub. A gap is filled
 * before the entries after it are shown; no entry is shown twice. `told` receives
 * notices caused by other agents that arrive while this window is open.
 */
export function useFeed(
  login: string,
  hub: Hub,
  readAfter: ReadAfter,
  told: (notices: Entry[]) => void,
) {
  const streams = useStreams()
  const presence = usePresence(login, () => room.value?.last ?? 0)
  const join = useJoin(hub, streams.cursors, joined, entry => add(entry.stream, [entry]))
  const older = useHistory(hub, streams)
  useGaps(streams, readAfter, add, join.join)
  useReadCursors(hub, streams, join.status, join.join)

  function joined(answer: Joined, asked: Cursors) {
    presence.begin(answer.presence)
    tell(streams.join(answer, asked))
    // The answer's size is bounded: it may hold no entries of this stream.
    void older([...streams.all.value.values()].filter(isBare))
  }

  function add(stream: string, entries: Entry[]) {
    const { added, torn } = streams.add(stream, entries)
    tell(added)
    if (torn) join.join()
  }

  function tell(added: Entry[]) {
    const news = added.filter(entry => entry.kind === 'notice' && !isOwn(entry))
    if (news.length > 0) told(news)
  }

  /** Whether the agent caused the notice. A notice of an event names the actor first. */
  const isOwn = ({ kind, author, body }: Entry) =>
    author === login || (kind === 'notice' && author === '' && body.startsWith(`${login} `))

  hub.on('Presence', presence.change)
  hub.on('Behind', join.join)
  hub.on('Resync', () => {
    streams.forget()
    join.join()
  })

  const room = computed(() => streams.all.value.get(general))
  const feeds = computed(() =>
    [...streams.all.value.values()].filter(({ kind }) => kind !== 'room'),
  )
  const seen = (ids: (string | undefined)[]) => {
    for (const id of ids) if (id) streams.mark(id, streams.get(id)?.last ?? 0)
  }

  return {
    login,
    status: join.status,
    loading: computed(() => !join.known.value),
    messages: computed(() => room.value?.entries.filter(({ kind }) => kind === 'message') ?? []),
    notices: computed(() => mergeNotices(feeds.value)),
    unreadMessages: computed(() => (room.value ? unread(room.value, isOwn) : 0)),
    unreadNotices: computed(() =>
      feeds.value.reduce((sum, stream) => sum + unread(stream, isOwn), 0),
    ),
    /** Marks every loaded entry of a stream as read. */
    seenMessages: () => seen([room.value?.id]),
    seenNotices: () => seen(feeds.value.map(({ id }) => id)),
    hasOlderMessages: computed(() => !!room.value && hasOlder(room.value)),
    hasOlderNotices: computed(() => feeds.value.some(hasOlder)),
    olderMessages: () => older(room.value ? [room.value] : []),
    olderNotices: () => older(nextOlder(feeds.value)),
    online: presence.online,
    presence: presence.lines,
    /** Sends a message to the room: stored once per client id. */
    say: (clientId: string, body: string, options: SendOptions = {}) =>
      hub.invoke('Send', general, clientId, body, options),
  }
}

/** Refreshes the connection's token: a token expires sooner than a window closes. */
export function useFreshToken(hub: Hub, token: () => string) {
  watch(token, fresh => {
    // After a refusal or a lost call, the connection ends with its old token and
    // reconnects with a new one.
    if (fresh && hub.status.value === 'open')
      hub.invoke('RefreshToken', fresh).catch(() => undefined)
  })
}

export type Feed = ReturnType<typeof useFeed>

const feedKey: InjectionKey<Feed> = Symbol('feed')
export const provideFeed = (feed: Feed) => provide(feedKey, feed)

/** The feed of the signed-in agent; for components inside the shell. */
export function injectFeed(): Feed {
  const feed = inject(feedKey)
  if (!feed) throw new Error('no feed: this component belongs inside the shell')
  return feed
}
