import { inject, onScopeDispose, provide, watch, type InjectionKey } from 'vue'
import type { Feed } from '@/feed/useFeed'
import type { AgentsChat } from './agentsChat'
import { isPresence } from './presence'
import { useHub, type Connection } from './useHub'

/**
 * Keeps a feed live: pushes go into it, and the log is read whenever one may
 * have been missed. Also a try to connect that failed is followed by a reading:
 * where no socket gets through, plain HTTP often does, and it learns of a
 * session that has ended.
 */
export function useLive(
  feed: Feed,
  connect: (failed: () => void) => Connection,
  announce: (notice: string) => void,
) {
  const readLog = () => void feed.catchUp()
  const hub = useHub<AgentsChat>(connect(readLog), readLog)

  hub.on('ReceiveMessage', feed.pushMessage)
  hub.on('ReceiveNotification', text => {
    if (isPresence(text)) return feed.tellPresence(text)
    feed.pushNotice(text)
    if (!feed.isOwn(text)) announce(text)
  })

  watch(hub.status, status => status === 'open' && readLog(), { flush: 'sync' })

  const onVisible = () => {
    if (document.visibilityState === 'visible') readLog()
  }
  document.addEventListener('visibilitychange', onVisible)
  window.addEventListener('online', readLog)
  onScopeDispose(() => {
    document.removeEventListener('visibilitychange', onVisible)
    window.removeEventListener('online', readLog)
  })

  // The log is shown without waiting for the socket.
  readLog()
  void hub.open()

  return { status: hub.status }
}

export type Live = ReturnType<typeof useLive>

const liveKey: InjectionKey<Live> = Symbol('live')
export const provideLive = (live: Live) => provide(liveKey, live)

/** The live connection of the agent who is signed in; for components inside the shell. */
export function injectLive(): Live {
  const live = inject(liveKey)
  if (!live) throw new Error('no live connection: this component belongs inside the shell')
  return live
}
