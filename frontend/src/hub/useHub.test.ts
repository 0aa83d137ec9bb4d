import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { FakeHub } from '@/testing/FakeHub'
import { inScope } from '@/testing/inScope'
import { backoff } from './backoff'
import { useHub } from './useHub'

interface Events {
  ReceiveNotification: (text: string) => void
}

beforeEach(() => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
})

function hubOn(connection: FakeHub) {
  const failed = vi.fn()
  const heard: string[] = []
  const hub = inScope(() => {
    const made = useHub<Events>(connection, failed)
    made.on('ReceiveNotification', text => heard.push(text))
    return made
  })
  return { failed, heard, ...hub }
}

describe('a hub', () => {
  it('retries the first connection until it is there', async () => {
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

  it('says when the connection is lost and when it is back', async () => {
    const connection = new FakeHub()
    const hub = hubOn(connection)
    await hub.open()
    connection.lose()
    expect(hub.status.value).toBe('reconnecting')
    connection.comeBack()
    expect(hub.status.value).toBe('open')
  })

  it('opens again what the server closed', async () => {
    const connection = new FakeHub()
    const hub = hubOn(connection)
    await hub.open()
    connection.close()
    expect(hub.status.value).toBe('reconnecting')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(hub.status.value).toBe('open')
    expect(connection.starts).toBe(2)
  })

  it('passes on what the server calls', async () => {
    const connection = new FakeHub()
    const hub = hubOn(connection)
    await hub.open()
    connection.tell('ReceiveNotification', 'danny.solid join chat')
    expect(hub.heard).toEqual(['danny.solid join chat'])
  })

  it('ends with its scope, and does not come back', async () => {
    const connection = new FakeHub()
    connection.refuse = Infinity
    const hub = hubOn(connection)
    await hub.open()
    hub.stop()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(connection.stopped).toBe(true)
    expect(connection.starts).toBe(1)
    expect(connection.hears('ReceiveNotification')).toBe(false)
  })
})

describe('the time between two tries', () => {
  it('grows from half a second to 15 seconds', () => {
    for (let tries = 0; tries < 100; tries++) {
      expect(backoff(tries)).toBeGreaterThanOrEqual(500)
      expect(backoff(tries)).toBeLessThanOrEqual(Math.min(1_000 * 2 ** tries, 15_000))
    }
  })
})
