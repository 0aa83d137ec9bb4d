import type { Cursor, Entry, JoinedStream, StreamID, StreamKind } from '@/api/hubs.gen'

/** Entries kept of one stream; the oldest go first, the server still has them. */
const most = 5_000

/** What this window has of a stream. */
export interface Stream {
  id: StreamID
  kind: StreamKind
  title: string
  /** Without a hole, the oldest first. Nothing else is shown. */
  entries: Entry[]
  /** Up to here nothing is missing. */
  last: number
  /** The newest that was heard of: what lies between it and `last` is missing. */
  head: number
  /** Beyond what is missing. */
  held: Entry[]
  /** Up to where the agent has read it, and how many messages and notices that is. */
  read: number
  readOrdinal: number
  /** Up to where the server knows that. */
  told: number
}

export interface Taken {
  stream: Stream
  /** What can be shown now, and could not before. */
  added: Entry[]
  /** Another entry stands where one is known: the log was set back. */
  torn: boolean
}

/** A stream of which nothing was known. */
export function begin(joined: JoinedStream): Stream {
  const { id, kind, title, head, read, unread, entries } = joined
  const last = entries.at(-1)?.sequence ?? head
  const stream = {
    id,
    kind,
    title,
    entries,
    last,
    head,
    held: [],
    read,
    readOrdinal: 0,
    told: read,
  }
  return { ...stream, readOrdinal: ordinalAt(stream, head) - unread }
}

/** What followed the cursor of a stream. */
export function resume(known: Stream, joined: JoinedStream): Taken {
  const { title, head, read, unread, entries } = joined
  const taken = take({ ...known, title, head, held: [], told: read }, entries)
  if (read < known.read) return taken
  const readOrdinal = ordinalAt(taken.stream, head) - unread
  return { ...taken, stream: { ...taken.stream, read, readOrdinal } }
}

/** Adds entries, in whatever order and however often they come. */
export function take(stream: Stream, entries: Entry[]): Taken {
  const torn = entries.some(entry => (at(stream, entry.sequence)?.tag ?? entry.tag) !== entry.tag)
  const waiting = new Map(stream.held.concat(entries).map(entry => [entry.sequence, entry]))
  const added: Entry[] = []
  let last = stream.last
  for (let next = waiting.get(last + 1); next; next = waiting.get(last + 1)) {
    added.push(next)
    last = next.sequence
  }
  const held = [...waiting.values()].filter(({ sequence }) => sequence > last)
  const head = Math.max(stream.head, last, ...held.map(({ sequence }) => sequence))
  const all = added.length > 0 ? [...stream.entries, ...added].slice(-most) : stream.entries
  return { stream: { ...stream, entries: all, last, head, held }, added, torn }
}

/** Adds what precedes the first entry. */
export function prepend(stream: Stream, older: Entry[]): Stream {
  const fitting = older.filter(({ sequence }) => sequence < first(stream))
  if (fitting.at(-1)?.sequence !== first(stream) - 1) return stream
  return { ...stream, entries: [...fitting, ...stream.entries] }
}

/** Read up to there; only ever forward. */
export function mark(stream: Stream, sequence: number, told = stream.told): Stream {
  const heard = { ...stream, told: Math.max(stream.told, told) }
  if (sequence <= stream.read) return heard
  return { ...heard, read: sequence, readOrdinal: ordinalAt(stream, sequence) }
}

/** Messages and notices that were not read, but for those that the agent caused. */
export function unread(stream: Stream, isOwn: (entry: Entry) => boolean): number {
  const own = stream.entries.filter(entry => entry.sequence > stream.read && isOwn(entry))
  return Math.max(0, ordinalAt(stream, stream.head) - stream.readOrdinal - own.length)
}

/** Where to go on; none where only the number is known. */
export function cursor({ entries, last }: Stream): Cursor | undefined {
  const tag = entries.at(-1)?.tag ?? ''
  return last === 0 || tag ? { sequence: last, tag } : undefined
}

export const first = ({ entries, last }: Stream) => entries[0]?.sequence ?? last + 1
export const hasOlder = (stream: Stream) => first(stream) > 1
/** There is something, and none of it is here. */
export const isBare = ({ entries, last }: Stream) => last > 0 && entries.length === 0
export const hasGap = ({ last, head }: Stream) => last < head

const at = (stream: Stream, sequence: number): Entry | undefined =>
  stream.entries[sequence - first(stream)] ?? stream.held.find(entry => entry.sequence === sequence)

/** Known for what is here. Beyond that every entry counts as a message or a notice. */
function ordinalAt(stream: Stream, sequence: number): number {
  const entry = at(stream, sequence)
  if (entry) return entry.ordinal
  const near = sequence > stream.last ? stream.entries.at(-1) : stream.entries[0]
  return near ? near.ordinal + sequence - near.sequence : sequence
}
