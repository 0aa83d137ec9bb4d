import { shallowRef } from 'vue'
import type { Cursors, Entry, Joined } from '@/api/hubs.gen'
import { begin, cursor, mark, prepend, resume, take, type Stream } from './stream'

/** The agent's streams, as far as they are loaded in this window. */
export function useStreams() {
  const all = shallowRef<ReadonlyMap<string, Stream>>(new Map())
  // Counts restarts: responses to requests from before a restart are dropped.
  let era = 0

  const get = (id: string) => all.value.get(id)
  const put = (stream: Stream) => (all.value = new Map(all.value).set(stream.id, stream))

  function cursors(): Cursors {
    const found: Cursors = {}
    for (const stream of all.value.values()) {
      const here = cursor(stream)
      if (here) found[stream.id] = here
    }
    return found
  }

  /** Applies Join's answer to these cursors. Returns the entries after the cursors. */
  function join({ streams, resync }: Joined, asked: Cursors): Entry[] {
    era++
    const missed: Entry[] = []
    const next = new Map<string, Stream>()
    for (const joined of streams) {
      const known = joined.id in asked && !resync.includes(joined.id) && get(joined.id)
      if (!known) {
        next.set(joined.id, begin(joined))
        continue
      }
      const { stream, added } = resume(known, joined)
      missed.push(...added)
      next.set(joined.id, stream)
    }
    all.value = next
    return missed
  }

  /** Adds entries of one stream. */
  function add(id: string, entries: Entry[]): { added: Entry[]; torn: boolean } {
    const known = get(id)
    if (!known) return { added: [], torn: true }
    const { stream, added, torn } = take(known, entries)
    put(stream)
    return { added, torn }
  }

  function change(id: string, how: (stream: Stream) => Stream) {
    const known = get(id)
    if (known) put(how(known))
  }

  return {
    all,
    get,
    cursors,
    join,
    add,
    era: () => era,
    prepend: (id: string, older: Entry[]) => change(id, stream => prepend(stream, older)),
    /** Moves the read cursor; `told` marks a position that the server knows. */
    mark: (id: string, sequence: number, told?: number) =>
      change(id, stream => mark(stream, sequence, told)),
    forget() {
      era++
      all.value = new Map()
    },
  }
}

export type Streams = ReturnType<typeof useStreams>
