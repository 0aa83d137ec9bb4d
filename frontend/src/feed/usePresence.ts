import { shallowRef } from 'vue'
import type { Presence } from '@/api/hubs.gen'

/** Lines about who came and went; the oldest go first. They are stored nowhere. */
const keptLines = 50

/** A line that is never stored, placed after the entry that was last when it came. */
export interface PresenceLine {
  key: number
  text: string
  after: number
}

/** Who is here, and who came and went while this window was open. */
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
