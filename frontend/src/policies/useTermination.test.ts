import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, it, vi } from 'vitest'
import { FakeServer, json, refusal } from '@/testing/FakeServer'
import { inScope } from '@/testing/inScope'
import { useTermination } from './useTermination'

beforeEach(() => setActivePinia(createPinia()))

const call = 'POST /api/policies/P-1/termination'

function termination() {
  const outdated = vi.fn()
  return { outdated, ...inScope(() => useTermination('P-1', outdated)) }
}

const keys = (server: FakeServer) =>
  server.received.map(({ headers }) => headers.get('Idempotency-Key'))

it('retries a termination with the same key', async () => {
  const server = new FakeServer().on(call, () => Promise.reject(new TypeError('network')))
  const { failure, outdated, terminate } = termination()
  expect(await terminate('2026-12-01')).toBeUndefined()
  expect(failure.value).toContain('could not be reached')
  const answer = { policyNumber: 'P-1', moneyToReturn: 71.87 }
  server.on(call, () => json(answer))
  expect(await terminate('2026-12-01')).toEqual(answer)
  const [first, second] = keys(server)
  expect(first).toMatch(/^[0-9a-f-]{36}$/)
  expect(second).toBe(first)
  expect(outdated).not.toHaveBeenCalled()
})

it('uses another key for another day', async () => {
  const server = new FakeServer().on(call, () => Promise.reject(new TypeError('network')))
  const { terminate } = termination()
  await terminate('2026-12-01')
  await terminate('2026-12-02')
  const [first, second] = keys(server)
  expect(second).not.toBe(first)
})

it('reports an outdated policy when its state has changed', async () => {
  new FakeServer().on(call, () => refusal(409, 'policy-terminated', 'it is already terminated'))
  const { failure, outdated, terminate } = termination()
  await terminate('2026-12-01')
  expect(failure.value).toBe('It is already terminated')
  expect(outdated).toHaveBeenCalledOnce()
})

it('sends no request without a day', async () => {
  const server = new FakeServer()
  const { failure, terminate } = termination()
  await terminate('')
  expect(failure.value).toContain('Choose the last day')
  expect(server.received).toEqual([])
})
