import { Problem } from '@/api/problem'
import type { EntriesPage, Entry } from '@/api/types'

const week = 7 * 24 * 60 * 60_000
/** Entries kept of one reading; the oldest go first, no list shows more. */
const most = 10_000

/** Reads a page of the log after a position: a cursor, or an instant for the first time. */
export type ReadLog = (since: string, signal: AbortSignal) => Promise<EntriesPage>

export interface Reading {
  added: Entry[]
  /** The cursor of what follows. */
  head: string
  /** It began anew: what is known from before no longer counts. */
  replaces: boolean
}

/**
 * Reads the log from a cursor, or the last week of it without one, until there
 * is no more. A log that was set back, or does not know the cursor any more, is
 * begun anew, once.
 */
export async function readSince(
  cursor: string,
  readLog: ReadLog,
  signal: AbortSignal,
): Promise<Reading> {
  try {
    return await readToEnd(cursor, readLog, signal)
  } catch (error) {
    const resync = error instanceof Problem && error.status === 410
    if (!resync || cursor === '') throw error
    return readToEnd('', readLog, signal)
  }
}

async function readToEnd(cursor: string, readLog: ReadLog, signal: AbortSignal): Promise<Reading> {
  let added: Entry[] = []
  let since = cursor || new Date(Date.now() - week).toISOString()
  for (;;) {
    const page = await readLog(since, signal)
    added = [...added, ...page.entries].slice(-most)
    since = page.cursor
    if (!page.more) return { added, head: since, replaces: cursor === '' }
  }
}
