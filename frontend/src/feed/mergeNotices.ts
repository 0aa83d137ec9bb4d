import type { Entry } from '@/api/hubs.gen'
import { hasOlder, type Stream } from './stream'

/**
 * The notices of several streams, the newest first. Those that are older than
 * the first one here of a stream that goes on are left out: others may belong
 * between them.
 */
export function mergeNotices(streams: Stream[]): Entry[] {
  const horizon = Math.max(0, ...streams.filter(hasOlder).map(beginning))
  return streams
    .flatMap(({ entries }) => entries)
    .filter(({ kind, at }) => kind === 'notice' && Date.parse(at) >= horizon)
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at) || b.sequence - a.sequence)
}

/** The streams whose older entries have to be known before more can be shown. */
export function nextOlder(streams: Stream[]): Stream[] {
  const going = streams.filter(hasOlder)
  const horizon = Math.max(0, ...going.map(beginning))
  return going.filter(stream => beginning(stream) === horizon)
}

const beginning = ({ entries }: Stream) => (entries[0] ? Date.parse(entries[0].at) : Infinity)
