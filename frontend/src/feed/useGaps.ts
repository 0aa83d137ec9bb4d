import { onScopeDispose, watch } from 'vue'
import type { Entry } from '@/api/chat.gen'
import { Problem, isPassing } from '@/api/problem'
import { backoff } from '@/hub/backoff'
import { hasGap } from './stream'
import type { Streams } from './useStreams'

/** Reads a page of a stream's entries after a sequence. */
export type ReadAfter = (stream: string, after: number, signal: AbortSignal) => Promise<Entry[]>

/** Fills the gaps of a stream. `onRollback` is called when the missing entries do not exist. */
export function useGaps(
  streams: Streams,
  readAfter: ReadAfter,
  found: (stream: string, entries: Entry[]) => void,
  onRollback: () => void,
) {
  const filling = new Set<string>()
  const timers = new Set<ReturnType<typeof setTimeout>>()
  const wanted = new AbortController()

  function later(then: () => void, tries = 0) {
    const timer = setTimeout(() => {
      timers.delete(timer)
      then()
    }, backoff(tries))
    timers.add(timer)
  }

  const gapOf = (id: string) => {
    const stream = streams.get(id)
    return stream && hasGap(stream) ? stream : undefined
  }

  async function fill(id: string, tries = 0) {
    if (filling.has(id)) return
    filling.add(id)
    try {
      for (let gap = gapOf(id); gap; gap = gapOf(id)) {
        const era = streams.era()
        const entries = await readAfter(id, gap.last, wanted.signal)
        if (wanted.signal.aborted) return
        if (era !== streams.era()) continue
        found(id, entries)
        if (streams.get(id)?.last === gap.last) return later(onRollback)
      }
    } catch (error) {
      // The session store reports the end of the session.
      if (wanted.signal.aborted || (error instanceof Problem && error.status === 401)) return
      later(() => void fill(id, tries + 1), tries)
      // A transient error is retried; other errors are retried as well, but logged.
      if (!isPassing(error)) throw error
    } finally {
      filling.delete(id)
    }
  }

  watch(streams.all, all => [...all.values()].filter(hasGap).forEach(({ id }) => void fill(id)), {
    flush: 'sync',
  })
  onScopeDispose(() => {
    wanted.abort()
    timers.forEach(clearTimeout)
  })
}
