import type { Entry } from '@/api/types'

/** What a push told us, until the log confirms it. */
export interface Provisional {
  /** Counts up as pushes come. */
  key: number
  kind: 'message' | 'notice'
  author: string
  avatar: string
  body: string
  at: string
  /** The agent has had it on the screen. */
  seen: boolean
}

export interface Settled {
  /** Still waiting for the log. */
  kept: Provisional[]
  /** Which entry each other one turned out to be. */
  pairs: [Provisional, Entry][]
  /** Entries that no push had told us. */
  unannounced: Entry[]
}

/**
 * Compares what was pushed with what the log then answered. Pushes carry no
 * position, so they are matched by what they say, the earliest first.
 *
 * An entry is stored before it is pushed: whatever was pushed before the
 * question (key < mark) is in the answer, and is dropped even if nothing
 * matches it. What was pushed during the question may or may not be in there.
 */
export function settle(provisional: Provisional[], mark: number, added: Entry[]): Settled {
  const waiting = new Map<string, Entry[]>()
  for (const entry of added) {
    const key = fingerprint(entry)
    const same = waiting.get(key)
    if (same) same.push(entry)
    else waiting.set(key, [entry])
  }

  const kept: Provisional[] = []
  const pairs: [Provisional, Entry][] = []
  for (const item of provisional) {
    const entry = waiting.get(fingerprint(item))?.shift()
    if (entry) pairs.push([item, entry])
    else if (item.key >= mark) kept.push(item)
  }
  return { kept, pairs, unannounced: [...waiting.values()].flat() }
}

// A push of a notice does not say who caused it.
const fingerprint = ({ kind, author, body }: Pick<Entry, 'kind' | 'author' | 'body'>) =>
  JSON.stringify(kind === 'message' ? [kind, author, body] : [kind, body])
