import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, it, vi } from 'vitest'
import { FakeServer, json, refusal } from '@/testing/FakeServer'
import { inScope } from '@/testing/inScope'
import { useActivation } from './useActivation'

beforeEach(() => setActivePinia(createPinia()))

const call = 'POST /api/products/PET/activation'

it('retries an activation with the same key', async () => {
  const server = new FakeServer().on(call, () => Promise.reject(new TypeError('network')))
  const { failure, activate } = inScope(() => useActivation('PET', vi.fn()))
  expect(await activate()).toBeUndefined()
  expect(failure.value).toContain('could not be reached')
  server.on(call, () => json({ code: 'PET' }))
  expect(await activate()).toEqual({ code: 'PET' })
  const [first, second] = server.received.map(({ headers }) => headers.get('Idempotency-Key'))
  expect(first).toMatch(/^[0-9a-f-]{36}$/)
  expect(second).toBe(first)
})

it('reports an outdated list after another activation', async () => {
  new FakeServer().on(call, () => refusal(409, 'product-active', 'it is on sale already'))
  const outdated = vi.fn()
  const { failure, activate } = inScope(() => useActivation('PET', outdated))
  await activate()
  expect(failure.value).toBe('It is on sale already')
  expect(outdated).toHaveBeenCalledOnce()
})
