import { watch, type Ref } from 'vue'
import { isPassing, isRefusal } from '@/api/problem'
import type { Hub, HubStatus } from '@/hub/useHub'
import type { Streams } from './useStreams'

/**
 * Sends the read cursors to the server, one call per stream at a time, and receives
 * the cursors of the agent's other devices. A failed call is repeated with the next
 * change or after the next join. `onRollback` is called when the server's log is another one.
 */
export function useReadCursors(
  hub: Hub,
  streams: Streams,
  status: Ref<HubStatus>,
  onRollback: () => void,
) {
  const telling = new Set<string>()

  async function tell(id: string, sequence: number) {
    const era = streams.era()
    telling.add(id)
    try {
      await hub.invoke('MarkRead', id, sequence)
      telling.delete(id)
      if (era === streams.era()) streams.mark(id, sequence, sequence)
    } catch (error) {
      if (isRefusal(error, 'sequence-invalid')) onRollback()
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
