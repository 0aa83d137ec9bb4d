import type { Cursors, Entry, Joined, JoinedStream, SendOptions } from '@/api/hubs.gen'
import { FakeHub } from './FakeHub'

const kinds = { General: 'room', Company: 'company', 'Own:jimmy.solid': 'own' } as const
export type StreamName = keyof typeof kinds

/** A fake chat service for jimmy.solid: a log in memory, and the sockets of his devices. */
export class FakeChat {
  /** Maximum number of entries of one stream in Join's answer. */
  page = 50
  log: Record<StreamName, Entry[]> = { General: [], Company: [], 'Own:jimmy.solid': [] }
  read: Record<StreamName, number> = { General: 0, Company: 0, 'Own:jimmy.solid': 0 }
  private devices = new Set<FakeHub>()
  private tags = 0

  /** A device that receives every push; a `deaf` one receives only answers. */
  device({ deaf = false } = {}) {
    const hub = new FakeHub()
      .answer('Join', cursors => this.join(cursors))
      .answer('History', (stream, before, limit) =>
        this.of(stream)
          .filter(({ sequence }) => sequence < before)
          .slice(-limit),
      )
      .answer('Send', (_, id, body) => this.say(body, 'jimmy.solid', id))
      .answer('MarkRead', (stream, sequence) => this.mark(stream as StreamName, sequence))
    if (!deaf) this.devices.add(hub)
    return hub
  }

  say = (body: string, author = 'danny.solid', id = '', options: SendOptions = {}) =>
    this.of('General').find(entry => id && entry.id === id) ??
    this.add('General', 'message', body, author, id, options)
  notice = (body: string, stream: StreamName = 'Company') => this.add(stream, 'notice', body, '')

  /** Rolls a stream back to an older copy. */
  rollback(stream: StreamName, to: number) {
    this.log[stream] = this.log[stream].slice(0, to)
    this.read[stream] = Math.min(this.read[stream], to)
  }

  mark(stream: StreamName, sequence: number) {
    if (sequence > this.of(stream).length) throw new Error('sequence-invalid: it is not there')
    this.read[stream] = Math.max(this.read[stream], sequence)
    for (const hub of this.devices) hub.tell('Read', stream, 'jimmy.solid', this.read[stream])
  }

  readAfter = async (stream: string, after: number) =>
    this.of(stream).filter(({ sequence }) => sequence > after)

  private of = (stream: string) => this.log[stream as StreamName]

  private join(cursors: Cursors): Joined {
    const resync: string[] = []
    const streams = Object.entries(kinds).map(([id, kind]): JoinedStream => {
      const all = this.of(id)
      const cursor = cursors[id]
      const fits = cursor && (all[cursor.sequence - 1]?.tag ?? '') === cursor.tag
      if (cursor && !fits) resync.push(id)
      const following = all.slice(cursor?.sequence)
      const entries = fits ? following.slice(0, this.page) : all.slice(-this.page)
      const more = entries.length < (fits ? following : all).length
      const read = this.read[id as StreamName]
      const head = all.length
      return { id, kind, title: id, head, read, unread: head - read, entries, more }
    })
    const agent = { login: 'jimmy.solid', name: 'Jimmy Solid', avatar: '', roles: ['SALESMAN'] }
    return { agent, streams, presence: [], resync }
  }

  private add(
    stream: StreamName,
    kind: Entry['kind'],
    body: string,
    author: string,
    id = '',
    options: SendOptions = {},
  ) {
    const sequence = this.of(stream).length + 1
    const at = new Date(Date.UTC(2026, 10, 21, 9) + ++this.tags * 1_000).toISOString()
    const entry: Entry = {
      ...{ stream, sequence, ordinal: sequence, tag: `t${this.tags}`, kind, author, body, at },
      ...{ id: id || `${stream} ${sequence}`, avatar: '', ...options },
    }
    this.log[stream].push(entry)
    for (const hub of this.devices) hub.tell('Entry', entry)
    return entry
  }
}
