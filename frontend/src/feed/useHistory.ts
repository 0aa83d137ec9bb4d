import { isPassing } from '@/api/problem'
import type { Hub } from '@/hub/useHub'
import { first, type Stream } from './stream'
import type { Streams } from './useStreams'

/** Number of entries of one page of history. */
const page = 100

/** Loads the entries before the first loaded ones; one page of a stream at a time. */
export function useHistory(hub: Hub, streams: Streams) {
  const asked = new Map<string, Promise<void>>()

  async function ask(stream: Stream) {
    const era = streams.era()
    try {
      const entries = await hub.invoke('History', stream.id, first(stream), page)
      if (era === streams.era()) streams.prepend(stream.id, entries)
    } catch (error) {
      // The reader can retry.
      if (!isPassing(error)) throw error
    } finally {
      asked.delete(stream.id)
    }
  }

  return async function older(of: Stream[]) {
    await Promise.all(
      of.map(stream => {
        const asking = asked.get(stream.id) ?? ask(stream)
        asked.set(stream.id, asking)
        return asking
      }),
    )
  }
}
