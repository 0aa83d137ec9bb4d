import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, it } from 'vitest'
import { FakeServer, json, refusal } from '@/testing/FakeServer'
import { inScope } from '@/testing/inScope'
import { useAnnouncement } from './useAnnouncement'

beforeEach(() => setActivePinia(createPinia()))

const call = 'POST /api/notifications'
const answer = { id: 'x', streams: ['Company'] }

it('sends to all agents or to chosen agents', async () => {
  const server = new FakeServer().on(call, () => json(answer, 202))
  const { text, everybody, chosen, send } = inScope(useAnnouncement)
  text.value = ' Closed on Friday '
  expect(await send()).toEqual(answer)
  expect(text.value).toBe('')
  text.value = 'Call me'
  everybody.value = 'no'
  chosen.value = ['jimmy.solid', 'danny.solid']
  await send()
  expect(server.received.map(({ body }) => body)).toEqual([
    { text: 'Closed on Friday', audience: 'all', clientId: expect.any(String) },
    { text: 'Call me', audience: ['danny.solid', 'jimmy.solid'], clientId: expect.any(String) },
  ])
})

it('retries an announcement under the same id', async () => {
  const server = new FakeServer().on(call, () => Promise.reject(new TypeError('network')))
  const { text, failure, send } = inScope(useAnnouncement)
  text.value = 'Closed on Friday'
  await send()
  expect(failure.value).toContain('could not be reached')
  server.on(call, () => json(answer, 202))
  await send()
  text.value = 'Closed on Friday'
  await send()
  const ids = server.received.map(({ body }) => (body as { clientId: string }).clientId)
  expect(ids[1]).toBe(ids[0])
  expect(ids[2]).not.toBe(ids[0])
})

it('sends no announcement without text or recipients', async () => {
  const server = new FakeServer()
  const { text, everybody, errors, send } = inScope(useAnnouncement)
  everybody.value = 'no'
  await send()
  expect(errors.value).toEqual({
    text: 'Write the announcement.',
    audience: 'Choose at least one agent.',
  })
  text.value = 'Closed on Friday'
  expect(errors.value.text).toBeUndefined()
  expect(server.received).toEqual([])
})

it('reports an unknown agent and keeps the text', async () => {
  new FakeServer().on(call, () => refusal(404, 'agent-unknown', 'there is no agent x'))
  const { text, failure, send } = inScope(useAnnouncement)
  text.value = 'Closed on Friday'
  await send()
  expect([failure.value, text.value]).toEqual(['There is no agent x', 'Closed on Friday'])
})
