import { watch, type Ref } from 'vue'
import { isPassing, isRefusal } from '@/api/problem'
import type { Hub, HubStatus } from '@/hub/useHub'
import type { Streams } from './useStreams'

/**
 * Tells the server how far the agent has read, one mark of a stream at a time,
 * and hears it from the agent's other devices. What could not be told is told
 * with the next change, or after the next join. `lost` hears that the server's log is another one.
 */
export function useMarks(hub: Hub, streams: Streams, status: Ref<HubStatus>, lost: () => void) {
  const telling = new Set<string>()

  async function tell(id: string, sequence: number) {
    const era = streams.era()
    telling.add(id)
    try {
      await hub.invoke('MarkRead', id, sequence)
      telling.delete(id)
      if (era === streams.era()) streams.mark(id, sequence, sequence)
    } catch (error) {
      if (isRefusal(error, 'sequence-invalid')) lost()
      else if (!isPassing(error)) throw error
    } finally {
      telling.delete(id)
    }
  }

  function tellAll() {
    if (status.value !== 'open') return
    for (const { id, read, told } of streams.all.value.values())
      if (read > told && !telling.has(id)) void tell(id, read)
  }

  watch([streams.all, status], tellAll)
  hub.on('Read', (id, _, sequence) => streams.mark(id, sequence, sequence))
}
