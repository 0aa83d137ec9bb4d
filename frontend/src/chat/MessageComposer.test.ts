import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest'
import { defineComponent, h, ref } from 'vue'
import type { Entry } from '@/api/types'
import { provideFeed, useFeed, type Feed } from '@/feed/useFeed'
import { provideLive, type Live } from '@/hub/useLive'
import { FakeServer, json, refusal } from '@/testing/FakeServer'
import MessageComposer from './MessageComposer.vue'

beforeEach(() => setActivePinia(createPinia()))

const call = 'POST /api/messages'
const lost = () => Promise.reject(new TypeError('network'))
const taken = () => json({}, 201)

/** The composer of jimmy.solid, on a log that the test fills. */
function composer(status: 'open' | 'reconnecting' = 'open') {
  const entries: Entry[] = []
  let feed: Feed | undefined
  const page = mount(
    defineComponent(() => {
      feed = useFeed(
        'jimmy.solid',
        async () => ({ entries, cursor: 'here', more: false }),
        () => undefined,
      )
      provideFeed(feed)
      provideLive({ status: ref<Live['status']['value']>(status) })
      return () => h(MessageComposer)
    }),
    { attachTo: document.body },
  )
  onTestFinished(() => page.unmount())
  const input = page.get('textarea')
  return {
    page,
    text: () => input.element.value,
    write: (text: string) => input.setValue(text),
    enter: (options = {}) => input.trigger('keydown', { key: 'Enter', ...options }),
    refused: (words: string) =>
      vi.waitFor(() => expect(page.get('[role=alert]').text()).toContain(words)),
    cleared: () => vi.waitFor(() => expect(input.element.value).toBe('')),
    messages: () => feed?.messages.value.map(({ body }) => body),
    readLog: () => feed?.catchUp(),
    log: ({ id = '', author = 'jimmy.solid', body }: Partial<Entry> & { body: string }) =>
      void entries.push({
        ...{ stream: 'General', sequence: entries.length + 1, tag: '', kind: 'message' },
        ...{ id, author, avatar: '', body, at: '2026-11-20T12:00:00Z' },
      }),
  }
}

const ids = (server: FakeServer) =>
  server.received.map(({ body }) => (body as { clientId: string }).clientId)

it('clears the text when it was sent, and not before', async () => {
  let answer: (response: Response) => void = () => undefined
  const server = new FakeServer().on(call, () => new Promise(resolve => (answer = resolve)))
  const { text, write, enter, cleared } = composer()
  await write('  hello ')
  await enter()
  expect(text()).toBe('  hello ')
  expect(server.received[0]?.body).toMatchObject({ text: 'hello' })
  answer(taken())
  await cleared()
})

it('sends under the same id until it is known to be said, and the next under another', async () => {
  const server = new FakeServer().on(call, lost)
  const { text, write, enter, refused, cleared } = composer()
  await write('hello')
  await enter()
  await refused('No answer came')
  expect(text()).toBe('hello')
  server.on(call, taken)
  await enter()
  await cleared()
  await write('hello')
  await enter()
  await cleared()
  const [first, second, third] = ids(server)
  expect(first).toMatch(/^[0-9a-f-]{36}$/)
  expect(second).toBe(first)
  expect(third).not.toBe(first)
})

it('takes another id for another text', async () => {
  const server = new FakeServer().on(call, lost)
  const { write, enter, refused } = composer()
  await write('hello')
  await enter()
  await refused('No answer came')
  await write('hello all')
  await enter()
  await vi.waitFor(() => expect(server.received).toHaveLength(2))
  const [first, second] = ids(server)
  expect(second).not.toBe(first)
})

it('clears the text when the log shows what got no answer', async () => {
  const server = new FakeServer().on(call, lost)
  const { page, write, enter, refused, cleared, log, readLog } = composer()
  await write('hello')
  await enter()
  await refused('No answer came')
  log({ id: ids(server)[0], body: 'hello' })
  await readLog()
  await cleared()
  expect(page.find('[role=alert]').exists()).toBe(false)
})

it('keeps the text when the log shows the same words of somebody else', async () => {
  const server = new FakeServer().on(call, lost)
  const { text, write, enter, refused, log, readLog } = composer()
  await write('hello')
  await enter()
  await refused('No answer came')
  log({ id: ids(server)[0], body: 'hello', author: 'danny.solid' })
  await readLog()
  expect(text()).toBe('hello')
})

it('shows what was sent also while the hub is away', async () => {
  const { write, enter, log, messages } = composer('reconnecting')
  new FakeServer().on(call, () => {
    log({ body: 'hello' })
    return taken()
  })
  await write('hello')
  await enter()
  await vi.waitFor(() => expect(messages()).toEqual(['hello']))
})

it("tells the server's own reason", async () => {
  new FakeServer().on(call, () => refusal(429, 'too-fast', 'that is too many messages at once'))
  const { page, text, write, enter, refused } = composer()
  await write('hello')
  await enter()
  await refused('Not sent')
  expect(page.get('[role=alert]').text()).toBe('Not sent. That is too many messages at once')
  expect(text()).toBe('hello')
})

it('breaks the line with Shift, and sends nothing empty or too long', async () => {
  const server = new FakeServer().on(call, taken)
  const { page, write, enter, cleared } = composer()
  await write('hello')
  await enter({ shiftKey: true })
  await write('   ')
  await enter()
  await write('😀'.repeat(4_001))
  await enter()
  expect(server.received).toEqual([])
  expect(page.get('[role=alert]').text()).toContain('4001 of 4000')
  await write('😀'.repeat(4_000))
  await enter()
  await cleared()
  expect(server.received).toHaveLength(1)
})
