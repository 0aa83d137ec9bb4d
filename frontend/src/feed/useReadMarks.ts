import { onScopeDispose, ref } from 'vue'
import type { Entry } from '@/api/types'
import { recall, remember } from '@/storage'

/**
 * How far an agent has read each stream in this browser. Its windows agree on
 * it, and it outlives them.
 */
export function useReadMarks(login: string) {
  const key = `parley.read.${login}`
  const marks = ref(load())

  function load(): Record<string, number> {
    try {
      return JSON.parse(recall(key) ?? '{}') as Record<string, number>
    } catch {
      return {}
    }
  }

  function read(entries: Entry[]) {
    const next = { ...marks.value }
    for (const { stream, sequence } of entries) next[stream] = Math.max(next[stream] ?? 0, sequence)
    save(next)
  }

  /** A log that was set back counts from a lower number again; marks beyond its heads would hide what comes. */
  function clamp(heads: ReadonlyMap<string, number>) {
    save(
      Object.fromEntries(
        Object.entries(marks.value).map(([stream, at]) => [
          stream,
          Math.min(at, heads.get(stream) ?? 0),
        ]),
      ),
    )
  }

  function save(next: Record<string, number>) {
    if (JSON.stringify(next) === JSON.stringify(marks.value)) return
    marks.value = next
    remember(key, JSON.stringify(next))
  }

  const onStorage = (event: StorageEvent) => {
    if (event.key === key) marks.value = load()
  }
  window.addEventListener('storage', onStorage)
  onScopeDispose(() => window.removeEventListener('storage', onStorage))

  return {
    read,
    clamp,
    isRead: ({ stream, sequence }: Entry) => sequence <= (marks.value[stream] ?? 0),
  }
}
