import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { NoAnswer } from '@/api/noAnswer'
import { Problem } from '@/api/problem'
import { FakeHub } from '@/testing/FakeHub'
import { inScope } from '@/testing/inScope'
import { backoff } from './backoff'
import { isUnauthorized } from './hub'
import { useHub } from './useHub'

beforeEach(() => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
})

function hubOn(connection: FakeHub) {
  const failed = vi.fn()
  const heard: string[] = []
  const hub = inScope(() => {
    const made = useHub(connection, failed)
    made.on('Behind', stream => heard.push(stream))
    return made
  })
  return { failed, heard, ...hub }
}

describe('a hub', () => {
  it('retries the first connection until it opens', async () => {
    const connection = new FakeHub()
    connection.refuse = 3
    const hub = hubOn(connection)
    await hub.open()
    expect(hub.status.value).toBe('connecting')
    await vi.advanceTimersByTimeAsync(30_000)
    expect(hub.status.value).toBe('open')
    expect(connection.starts).toBe(4)
    expect(hub.failed).toHaveBeenCalledTimes(3)
  })

  it('reports a lost and a restored connection', async () => {
    const connection = new FakeHub()
    const hub = hubOn(connection)
    await hub.open()
    connection.lose()
    expect(hub.status.value).toBe('reconnecting')
    connection.comeBack()
    expect(hub.status.value).toBe('open')
  })

  it('reopens a connection closed by the server', async () => {
    const connection = new FakeHub()
    const hub = hubOn(connection)
    await hub.open()
    connection.close()
    expect(hub.status.value).toBe('reconnecting')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(hub.status.value).toBe('open')
    expect(connection.starts).toBe(2)
  })

  it('passes calls from the server on', async () => {
    const connection = new FakeHub()
    const hub = hubOn(connection)
    await hub.open()
    connection.tell('Behind', 'General')
    expect(hub.heard).toEqual(['General'])
  })

  it('closes with its scope and does not reconnect', async () => {
    const connection = new FakeHub()
    connection.refuse = Infinity
    const hub = hubOn(connection)
    await hub.open()
    hub.stop()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(connection.stopped).toBe(true)
    expect(connection.starts).toBe(1)
    expect(connection.hears('Behind')).toBe(false)
  })
})

describe('an invocation', () => {
  it.each([
    ['stream-unknown: there is no such stream', 400, 'There is no such stream'],
    ['too-fast: that is too many messages at once', 429, 'That is too many messages at once'],
    ['internal: not now', 500, 'Not now'],
  ])('that is refused with %j is a problem', async (text, status, message) => {
    const connection = new FakeHub().answer('MarkRead', () => Promise.reject(new Error(text)))
    const failure: unknown = await hubOn(connection)
      .invoke('MarkRead', 'x', 1)
      .catch(error => error)
    expect(failure).toBeInstanceOf(Problem)
    expect(failure).toMatchObject({ status, message })
  })

  it.each(['Invocation canceled due to the underlying connection being closed.', ''])(
    'that ended with %j got no answer if the connection did',
    async text => {
      const connection = new FakeHub().answer('MarkRead', () => Promise.reject(new Error(text)))
      await expect(hubOn(connection).invoke('MarkRead', 'x', 1)).rejects.toThrow(NoAnswer)
    },
  )
})

it('distinguishes a server error from a lost connection', async () => {
  const connection = new FakeHub().answer('MarkRead', () => Promise.reject(new Error('Sorry.')))
  const hub = hubOn(connection)
  await hub.open()
  await expect(hub.invoke('MarkRead', 'x', 1)).rejects.toMatchObject({ status: 500 })
})

it('recognises a connection refused for its token', () => {
  const negotiation = 'Failed to complete negotiation with the server: Error: '
  expect(isUnauthorized(new Error(`${negotiation}Unauthorized: Status code '401'`))).toBe(true)
  expect(isUnauthorized(new Error(`${negotiation}Bad Gateway: Status code '502'`))).toBe(false)
})

describe('the reconnect delay', () => {
  it('grows from half a second to 15 seconds', () => {
    for (let tries = 0; tries < 100; tries++) {
      expect(backoff(tries)).toBeGreaterThanOrEqual(500)
      expect(backoff(tries)).toBeLessThanOrEqual(Math.min(1_000 * 2 ** tries, 15_000))
    }
  })
})
