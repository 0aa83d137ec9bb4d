import type { Cursor, Entry, JoinedStream, StreamID, StreamKind } from '@/api/hubs.gen'

/** Maximum number of loaded entries of one stream; the oldest are dropped, the server still has them. */
const most = 5_000

/** The loaded part of a stream in this window. */
export interface Stream {
  id: StreamID
  kind: StreamKind
  title: string
  /** Entries without a gap, oldest first. Only these are shown. */
  entries: Entry[]
  /** The last sequence without a gap before it. */
  last: number
  /** The newest known sequence: entries between `last` and it are missing. */
  head: number
  /** Entries after the gap. */
  held: Entry[]
  /** The read cursor: its sequence, and its number of messages and notices. */
  read: number
  readOrdinal: number
  /** The read cursor that the server knows. */
  told: number
}

export interface Taken {
  stream: Stream
  /** Entries that have just become visible. */
  added: Entry[]
  /** An entry contradicts a loaded one: the log was rolled back. */
  torn: boolean
}

/** A stream without loaded entries. */
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

/** Applies the entries after the cursor of a stream. */
export function resume(known: Stream, joined: JoinedStream): Taken {
  const { title, head, read, unread, entries } = joined
  const taken = take({ ...known, title, head, held: [], told: read }, entries)
  if (read < known.read) return taken
  const readOrdinal = ordinalAt(taken.stream, head) - unread
  return { ...taken, stream: { ...taken.stream, read, readOrdinal } }
}

/** Adds entries in any order, ignoring duplicates. */
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

/** Adds entries before the first one. */
export function prepend(stream: Stream, older: Entry[]): Stream {
  const fitting = older.filter(({ sequence }) => sequence < first(stream))
  if (fitting.at(-1)?.sequence !== first(stream) - 1) return stream
  return { ...stream, entries: [...fitting, ...stream.entries] }
}

/** Moves the read cursor, forward only. */
export function mark(stream: Stream, sequence: number, told = stream.told): Stream {
  const heard = { ...stream, told: Math.max(stream.told, told) }
  if (sequence <= stream.read) return heard
  return { ...heard, read: sequence, readOrdinal: ordinalAt(stream, sequence) }
}

/** Unread messages and notices, without the agent's own. */
export function unread(stream: Stream, isOwn: (entry: Entry) => boolean): number {
  const own = stream.entries.filter(entry => entry.sequence > stream.read && isOwn(entry))
  return Math.max(0, ordinalAt(stream, stream.head) - stream.readOrdinal - own.length)
}

/** The cursor to continue from; undefined where only the sequence is known. */
export function cursor({ entries, last }: Stream): Cursor | undefined {
  const tag = entries.at(-1)?.tag ?? ''
  return last === 0 || tag ? { sequence: last, tag } : undefined
}

export const first = ({ entries, last }: Stream) => entries[0]?.sequence ?? last + 1
export const hasOlder = (stream: Stream) => first(stream) > 1
/** Whether the stream has entries and none is loaded. */
export const isBare = ({ entries, last }: Stream) => last > 0 && entries.length === 0
export const hasGap = ({ last, head }: Stream) => last < head

const at = (stream: Stream, sequence: number): Entry | undefined =>
  stream.entries[sequence - first(stream)] ?? stream.held.find(entry => entry.sequence === sequence)

/** The ordinal at a sequence: exact for loaded entries; beyond them every entry counts. */
function ordinalAt(stream: Stream, sequence: number): number {
  const entry = at(stream, sequence)
  if (entry) return entry.ordinal
  const near = sequence > stream.last ? stream.entries.at(-1) : stream.entries[0]
  return near ? near.ordinal + sequence - near.sequence : sequence
}
