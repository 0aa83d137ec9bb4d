import type { Entry } from '@/api/hubs.gen'
import { hasOlder, type Stream } from './stream'

/**
 * Merges the notices of several streams, newest first. Notices older than the first
 * loaded entry of a stream with older pages are left out: unloaded notices may
 * belong between them.
 */
export function mergeNotices(streams: Stream[]): Entry[] {
  const horizon = Math.max(0, ...streams.filter(hasOlder).map(beginning))
  return streams
    .flatMap(({ entries }) => entries)
    .filter(({ kind, at }) => kind === 'notice' && Date.parse(at) >= horizon)
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at) || b.sequence - a.sequence)
}

/** The streams whose older entries must be loaded before more notices can be shown. */
export function nextOlder(streams: Stream[]): Stream[] {
  const going = streams.filter(hasOlder)
  const horizon = Math.max(0, ...going.map(beginning))
  return going.filter(stream => beginning(stream) === horizon)
}

const beginning = ({ entries }: Stream) => (entries[0] ? Date.parse(entries[0].at) : Infinity)
