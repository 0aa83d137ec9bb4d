import { afterEach, expect, it, vi } from 'vitest'
import type { Entry } from '@/api/types'
import { useFeed } from '@/feed/useFeed'
import { FakeHub } from '@/testing/FakeHub'
import { inScope } from '@/testing/inScope'
import { useLive } from './useLive'

afterEach(() => localStorage.clear())

/** A feed on a log that stays empty, kept live by a hub that the test plays. */
function live() {
  const connection = new FakeHub()
  const announced: string[] = []
  const entries: Entry[] = []
  const readLog = vi.fn(async () => ({ entries, cursor: 'here', more: false }))
  const { feed, status } = inScope(() => {
    const feed = useFeed('jimmy.solid', readLog, () => undefined)
    return {
      feed,
      ...useLive(
        feed,
        () => connection,
        text => announced.push(text),
      ),
    }
  })
  return { connection, announced, readLog, feed, status }
}

it('tells a notice of others, and only mentions who came and went', async () => {
  const { connection, announced, feed, status } = live()
  await vi.waitFor(() => expect(status.value).toBe('open'))
  connection.tell('ReceiveNotification', 'danny.solid join chat')
  connection.tell('ReceiveNotification', 'danny.solid just sold policy for TRI!!!')
  connection.tell('ReceiveNotification', 'jimmy.solid just sold policy for CAR!!!')
  connection.tell('ReceiveMessage', 'danny.solid', '/avatars/danny.solid.svg', 'hello')
  expect(announced).toEqual(['danny.solid just sold policy for TRI!!!'])
  expect(feed.presence.value.map(({ text }) => text)).toEqual(['danny.solid join chat'])
  expect(feed.unreadNotices.value).toBe(1)
  expect(feed.waitingMessages.value.map(({ author, body }) => [author, body])).toEqual([
    ['danny.solid', 'hello'],
  ])
})

it('reads the log after every connection, and when the network or the reader is back', async () => {
  const { connection, readLog, status } = live()
  await vi.waitFor(() => expect(status.value).toBe('open'))
  const calls = [
    () => connection.comeBack(),
    () => window.dispatchEvent(new Event('online')),
    () => document.dispatchEvent(new Event('visibilitychange')),
  ]
  for (const call of calls) {
    if (call === calls[0]) connection.lose()
    const before = readLog.mock.calls.length
    call()
    await vi.waitFor(() => expect(readLog.mock.calls.length).toBeGreaterThan(before))
  }
})
