import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, it } from 'vitest'
import { nextTick } from 'vue'
import { FakeServer, json, refusal } from '@/testing/FakeServer'
import { inScope } from '@/testing/inScope'
import { usePurchase } from './usePurchase'

beforeEach(() => setActivePinia(createPinia()))

function purchase() {
  const form = inScope(() => usePurchase('O-1'))
  for (const name of Object.keys(form.holder) as (keyof typeof form.holder)[])
    form.holder[name] = name
  return form
}

const keys = (server: FakeServer) =>
  server.received.map(({ headers }) => headers.get('Idempotency-Key'))

it('retries a purchase with the same key', async () => {
  const server = new FakeServer().on('POST /api/policies', () => Promise.reject(new TypeError()))
  const form = purchase()
  expect(await form.buy()).toBeUndefined()
  expect(form.failure.value).toContain('could not be reached')
  server.on('POST /api/policies', () => json({ policyNumber: 'P-1' }, 201))
  expect(await form.buy()).toEqual({ policyNumber: 'P-1' })
  const [first, second] = keys(server)
  expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(second).toBe(first)
})

it('uses another key for another body', async () => {
  const server = new FakeServer().on('POST /api/policies', () =>
    refusal(400, 'text-invalid', 'taxId is not valid'),
  )
  const form = purchase()
  await form.buy()
  expect(form.failure.value).toBe('TaxId is not valid')
  form.holder.taxId = '123'
  await form.buy()
  const [first, second] = keys(server)
  expect(second).not.toBe(first)
})

it('sends no request while a field is empty', async () => {
  const server = new FakeServer()
  const form = purchase()
  form.holder.city = ' '
  expect(await form.buy()).toBeUndefined()
  expect(form.errors.value).toEqual({ city: 'This is required.' })
  expect(server.received).toEqual([])
})

it('shows a server error at its field until the field changes', async () => {
  const errors = [{ pointer: '#/policyHolder/taxId', detail: 'is too long' }]
  new FakeServer().on('POST /api/policies', () =>
    refusal(400, 'request-invalid', 'the request does not fit the contract', errors),
  )
  const form = purchase()
  await form.buy()
  expect(form.errors.value).toEqual({ taxId: 'Is too long' })
  expect(form.failure.value).toBe('')
  form.holder.taxId = '1'
  await nextTick()
  expect(form.errors.value).toEqual({})
})

it('shows a general error when the form has no such field', async () => {
  const errors = [{ pointer: '#/offerNumber', detail: 'is too long' }]
  new FakeServer().on('POST /api/policies', () => refusal(400, 'request-invalid', 'no', errors))
  const form = purchase()
  await form.buy()
  expect([form.errors.value, form.failure.value]).toEqual([{}, 'No'])
})
