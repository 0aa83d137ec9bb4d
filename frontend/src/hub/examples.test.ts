import { expect, it, vi } from 'vitest'
import { shallowRef } from 'vue'
import type { Entry, Joined, Presence, Sent } from '@/api/hubs.gen'
import { useFeed, useFreshToken } from '@/feed/useFeed'
import { FakeHub } from '@/testing/FakeHub'
import { inScope } from '@/testing/inScope'
import { useHub } from './useHub'

const examples = import.meta.glob('../../../api/examples/hubs/*.json', {
  eager: true,
  import: 'default',
})

/** What the contract gives as an example of a hub's message. */
const example = <T>(name: string) =>
  structuredClone(examples[`../../../api/examples/hubs/${name}.json`]) as T

const joined = example<Joined>('JoinResult')
const sent = example<Sent>('SendResult')

async function danny() {
  const connection = new FakeHub()
    .answer('Join', () => joined)
    .answer('Send', () => sent)
    .answer('History', () => example<Entry[]>('HistoryResult'))
    .answer('MarkRead', () => undefined)
    .answer('RefreshToken', () => undefined)
  const token = shallowRef('')
  const feed = inScope(() => {
    const hub = useHub(connection, () => undefined)
    useFreshToken(hub, () => token.value)
    const made = useFeed(
      'danny.solid',
      hub,
      async () => [],
      () => undefined,
    )
    return { ...made, open: hub.open }
  })
  await feed.open()
  await vi.waitFor(() => expect(feed.status.value).toBe('open'))
  return { ...feed, connection, token }
}

it('decodes the answer of Join', async () => {
  const { messages, notices, unreadMessages, unreadNotices, online } = await danny()
  expect(messages.value.map(({ body }) => body)).toEqual([
    'Good morning!',
    'Good morning, Jimmy. <b>Coffee?</b>',
  ])
  expect(notices.value.map(({ body }) => body)).toEqual(['jimmy.solid just sold policy for TRI!!!'])
  // The second message is danny's own.
  expect([unreadMessages.value, unreadNotices.value]).toEqual([1, 0])
  expect([...online.value]).toEqual(['jimmy.solid'])
})

it('decodes the calls from the server', async () => {
  const { connection, notices, messages, unreadMessages, online, status } = await danny()
  connection.tell('Entry', ...example<[Entry]>('Entry'))
  expect(notices.value).toHaveLength(1)
  connection.tell('Read', ...example<[string, string, number]>('Read'))
  expect(unreadMessages.value).toBe(0)
  connection.tell('Presence', ...example<[Presence[]]>('Presence'))
  expect([...online.value]).toEqual(['jimmy.solid'])
  connection.tell('Behind', ...example<[string]>('Behind'))
  connection.tell('Resync', ...example<[]>('Resync'))
  expect(messages.value).toEqual([])
  await vi.waitFor(() => expect(messages.value).toHaveLength(2))
  expect(status.value).toBe('open')
})

it('calls the server by the contract', async () => {
  const { connection, say, seenMessages, olderMessages, messages, token } = await danny()
  const [stream, clientId, body, options] =
    example<[string, string, string, { replyTo: number }]>('Send')
  await expect(say(clientId, body, options)).resolves.toEqual(sent)
  expect(connection.calls('Send')).toEqual([[stream, clientId, body, options]])

  seenMessages()
  await vi.waitFor(() => expect(connection.calls('MarkRead')).toEqual([example('MarkRead')]))

  await olderMessages()
  const [of, before] = example<[string, number]>('History')
  expect(connection.calls('History')).toEqual([[of, before, expect.any(Number)]])
  expect(messages.value.map(({ sequence }) => sequence)).toEqual([40, 41, 42])

  const [fresh] = example<[string]>('RefreshToken')
  token.value = fresh
  await vi.waitFor(() => expect(connection.calls('RefreshToken')).toEqual([[fresh]]))

  connection.lose()
  connection.comeBack()
  const [cursors] = example<[object]>('Join')
  await vi.waitFor(() => expect(connection.calls('Join')).toHaveLength(2))
  const [again] = connection.calls('Join')[1] ?? []
  expect(Object.keys(again as object)).toEqual(expect.arrayContaining(Object.keys(cursors)))
  expect((again as Record<string, unknown>).General).toEqual({
    sequence: sent.sequence,
    tag: sent.tag,
  })
})
