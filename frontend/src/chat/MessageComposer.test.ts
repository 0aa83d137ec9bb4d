import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { expect, it, onTestFinished, vi } from 'vitest'
import { defineComponent, h, type Component } from 'vue'
import { provideFeed, useFeed } from '@/feed/useFeed'
import { useHub } from '@/hub/useHub'
import { FakeChat } from '@/testing/FakeChat'
import { FakeServer } from '@/testing/FakeServer'
import ChatPage from './ChatPage.vue'
import MessageComposer from './MessageComposer.vue'

/** The composer of jimmy.solid, connected to a chat. */
async function composer({ deaf = false, show = MessageComposer as Component } = {}) {
  const chat = new FakeChat()
  const connection = chat.device({ deaf })
  let opened: Promise<void> | undefined
  setActivePinia(createPinia())
  const page = mount(
    defineComponent(() => {
      const hub = useHub(connection, () => undefined)
      provideFeed(useFeed('jimmy.solid', hub, chat.readAfter, () => undefined))
      opened = hub.open()
      return () => h(show)
    }),
    { attachTo: document.body },
  )
  onTestFinished(() => page.unmount())
  await opened
  await vi.waitFor(() => expect(connection.calls('Join')).toHaveLength(1))
  const input = page.get('textarea')
  /** Ends the connection as it does in the midst of an invocation. */
  const broken = () => {
    connection.lose()
    return Promise.reject(new Error('Invocation canceled due to the connection being closed.'))
  }
  /** Lets the chat answer Send as it does. */
  const works = () => connection.answer('Send', (_, id, body) => chat.say(body, 'jimmy.solid', id))
  return {
    page,
    chat,
    connection,
    works,
    broken,
    text: () => input.element.value,
    write: (text: string) => input.setValue(text),
    enter: (options = {}) => input.trigger('keydown', { key: 'Enter', ...options }),
    says: (words: string) =>
      vi.waitFor(() => expect(page.get('[role=alert]').text()).toContain(words)),
    cleared: () => vi.waitFor(() => expect(input.element.value).toBe('')),
    ids: () => connection.calls('Send').map(([, id]) => id),
    log: () => chat.log.General.map(({ body }) => body),
    reconnect() {
      connection.lose()
      connection.comeBack()
    },
  }
}

it('clears the text after sending, not before', async () => {
  const { connection, text, write, enter, cleared } = await composer()
  let answer: () => void = () => undefined
  const sent = { stream: 'General', sequence: 1, tag: 't', at: '2026-11-21T09:30:00Z' }
  connection.answer('Send', () => new Promise(resolve => (answer = () => resolve(sent))))
  await write('  hello ')
  await enter()
  expect(text()).toBe('  hello ')
  expect(connection.calls('Send')[0]).toEqual(['General', expect.any(String), 'hello', {}])
  answer()
  await cleared()
})

it('resends after a reconnect under the same id', async () => {
  const { connection, broken, works, write, enter, says, cleared, ids, log, reconnect } =
    await composer()
  connection.answer('Send', broken)
  await write('hello')
  await enter()
  await says('when the connection is back')
  works()
  reconnect()
  await cleared()
  expect(log()).toEqual(['hello'])
  const [first, second] = ids()
  expect(first).toMatch(/^[0-9a-f-]{36}$/)
  expect(second).toBe(first)
})

it('stores a message once when its answer was lost', async () => {
  const { connection, chat, broken, write, enter, says, cleared, works, log, reconnect } =
    await composer({ deaf: true })
  connection.answer('Send', (_, id, body) => {
    chat.say(body, 'jimmy.solid', id)
    return broken()
  })
  await write('hello')
  await enter()
  await says('when the connection is back')
  works()
  reconnect()
  await cleared()
  expect(log()).toEqual(['hello'])
})

it('does not resend an edited text by itself', async () => {
  const { connection, page, broken, text, works, write, enter, says, ids, reconnect } =
    await composer()
  connection.answer('Send', broken)
  await write('hello')
  await enter()
  await says('when the connection is back')
  await write('hello all')
  works()
  reconnect()
  await vi.waitFor(() => expect(page.find('[role=alert]').exists()).toBe(false))
  expect(text()).toBe('hello all')
  expect(ids()).toHaveLength(1)
})

it('uses another id for the next message with the same text', async () => {
  const { write, enter, cleared, ids, log } = await composer()
  for (let n = 0; n < 2; n++) {
    await write('hello')
    await enter()
    await cleared()
  }
  expect(log()).toEqual(['hello', 'hello'])
  expect(new Set(ids()).size).toBe(2)
})

it('clears the text when its entry arrives without an answer', async () => {
  const { page, connection, broken, chat, write, enter, cleared, says, ids } = await composer()
  connection.answer('Send', broken)
  await write('hello')
  await enter()
  await says('when the connection is back')
  chat.say('hello', 'jimmy.solid', String(ids()[0]))
  await cleared()
  expect(page.find('[role=alert]').exists()).toBe(false)
})

it('keeps the text when another agent sends the same text', async () => {
  const { connection, broken, chat, text, write, enter, says, ids } = await composer()
  connection.answer('Send', broken)
  await write('hello')
  await enter()
  await says('when the connection is back')
  chat.say('hello', 'danny.solid', String(ids()[0]))
  await vi.waitFor(() => expect(text()).toBe('hello'))
})

it("shows the server's reason and does not resend", async () => {
  const { connection, page, text, write, enter, says, ids, reconnect } = await composer()
  const words = 'too-fast: that is too many messages at once'
  connection.answer('Send', () => Promise.reject(new Error(words)))
  await write('hello')
  await enter()
  await says('Not sent')
  expect(page.get('[role=alert]').text()).toBe('Not sent. That is too many messages at once')
  reconnect()
  await vi.waitFor(() => expect(connection.calls('Join')).toHaveLength(2))
  expect([text(), ids().length]).toEqual(['hello', 1])
})

it('breaks the line with Shift+Enter and sends no empty or long text', async () => {
  const { page, write, enter, cleared, ids } = await composer()
  await write('hello')
  await enter({ shiftKey: true })
  await write('   ')
  await enter()
  await write('😀'.repeat(4_001))
  await enter()
  expect(ids()).toEqual([])
  expect(page.get('[role=alert]').text()).toContain('4001 of 4000')
  await write('😀'.repeat(4_000))
  await enter()
  await cleared()
  expect(ids()).toHaveLength(1)
})

it('replies to the chosen message, once', async () => {
  new FakeServer()
  const { page, chat, connection, write, enter, cleared, text } = await composer({ show: ChatPage })
  chat.say('Coffee?')
  chat.say('Or tea?')
  const reply = () => page.findAll('button[aria-label="Reply to danny.solid"]')
  await vi.waitFor(() => expect(reply()).toHaveLength(2))
  // The newest is reached by Tab, the others by the arrows.
  expect(reply().map(({ element }) => element.getAttribute('tabindex'))).toEqual(['-1', '0'])
  ;(reply()[1]?.element as HTMLElement).focus()
  await reply()[1]?.trigger('keydown', { key: 'ArrowUp' })
  expect(document.activeElement).toBe(reply()[0]?.element)
  await reply()[0]?.trigger('click')
  expect(page.get('form').text()).toContain('Reply to danny.solid')
  connection.answer('Send', (_, id, body, options) => chat.say(body, 'jimmy.solid', id, options))
  await write('Yes, please')
  await enter()
  await cleared()
  expect(connection.calls('Send')[0]?.at(-1)).toEqual({ replyTo: 1 })
  expect(page.get('form').text()).not.toContain('Reply to')
  await vi.waitFor(() => expect(page.get('[role=log]').text()).toContain('In reply to'))

  await write('And a cake')
  await enter()
  await cleared()
  expect(connection.calls('Send')[1]?.at(-1)).toEqual({})
  expect(text()).toBe('')
})
