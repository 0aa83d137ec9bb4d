import { shallowRef } from 'vue'
import type { Presence } from '@/api/hubs.gen'

/** Maximum number of presence lines; the oldest are dropped. The server does not store them. */
const keptLines = 50

/** A presence line, placed after the last entry at its arrival. The server does not store it. */
export interface PresenceLine {
  key: number
  text: string
  after: number
}

/** Online agents, and agents who joined or left while this window was open. */
export function usePresence(login: string, lastSequence: () => number) {
  const online = shallowRef<ReadonlySet<string>>(new Set())
  const lines = shallowRef<PresenceLine[]>([])
  let nextKey = 1

  function change(changes: Presence[]) {
    const next = new Set(online.value)
    const told: PresenceLine[] = []
    for (const { login: who, state } of changes) {
      if ((state === 'online') === next.has(who)) continue
      if (state === 'online') next.add(who)
      else next.delete(who)
      const text = `${who} ${state === 'online' ? 'join' : 'left'} chat`
      if (who !== login) told.push({ key: nextKey++, text, after: lastSequence() })
    }
    online.value = next
    lines.value = [...lines.value, ...told].slice(-keptLines)
  }

  const begin = (all: Presence[]) =>
    (online.value = new Set(
      all.filter(({ state }) => state === 'online').map(({ login: who }) => who),
    ))

  return { online, lines, begin, change }
}
