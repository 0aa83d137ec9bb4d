import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { nextTick } from 'vue'
import { Problem } from '@/api/problem'
import { useHub } from '@/hub/useHub'
import { FakeChat } from '@/testing/FakeChat'
import { inScope } from '@/testing/inScope'
import { useFeed } from './useFeed'
import type { ReadAfter } from './useGaps'

/** A window of jimmy.solid on a chat, connected and joined. */
async function windowOn(
  chat: FakeChat,
  { deaf = false, readAfter = chat.readAfter as ReadAfter } = {},
) {
  const connection = chat.device({ deaf })
  const told: string[] = []
  const asked = vi.fn(readAfter)
  const feed = inScope(() => {
    const hub = useHub(connection, () => undefined)
    const made = useFeed('jimmy.solid', hub, asked, notices =>
      told.push(...notices.map(({ body }) => body)),
    )
    return { ...made, open: hub.open }
  })
  await feed.open()
  await vi.waitFor(() => expect(feed.status.value).toBe('open'))
  const shown = () => feed.messages.value.map(({ body }) => body)
  const notices = () => feed.notices.value.map(({ body }) => body)
  const reconnect = async () => {
    connection.lose()
    connection.comeBack()
    await vi.waitFor(() => expect(feed.status.value).toBe('open'))
  }
  return { ...feed, connection, told, asked, shown, notices, reconnect }
}

type Window = Awaited<ReturnType<typeof windowOn>>
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 3_000 })
const shows = (window: Window, bodies: string[]) =>
  eventually(() => expect(window.shown()).toEqual(bodies))

describe('the feed', () => {
  it('shows joined and pushed entries', async () => {
    const chat = new FakeChat()
    chat.say('one')
    const window = await windowOn(chat)
    chat.say('two')
    chat.notice('danny.solid just sold policy for TRI!!!')
    await shows(window, ['one', 'two'])
    expect(window.notices()).toEqual(['danny.solid just sold policy for TRI!!!'])
    expect(window.connection.calls('Join')).toEqual([[{}]])
  })

  it('applies entries pushed before the answer of Join', async () => {
    const chat = new FakeChat()
    chat.say('one')
    const window = await windowOn(chat)
    const answers = window.connection
    window.connection.answer('Join', cursors => {
      const joined = chat.device({ deaf: true }).invoke<never>('Join', cursors)
      return joined.then(answer => {
        chat.say('right behind it')
        return answer
      })
    })
    await window.reconnect()
    await shows(window, ['one', 'right behind it'])
    expect(answers.calls('Join')).toHaveLength(2)
    expect(window.asked).not.toHaveBeenCalled()
  })

  it('continues from its cursors after a lost connection', async () => {
    const chat = new FakeChat()
    const one = chat.say('one')
    const window = await windowOn(chat, { deaf: true })
    chat.say('two')
    chat.notice('news')
    await window.reconnect()
    await shows(window, ['one', 'two'])
    expect(window.told).toEqual(['news'])
    const nothing = { sequence: 0, tag: '' }
    expect(window.connection.calls('Join').at(-1)).toEqual([
      { General: { sequence: 1, tag: one.tag }, Company: nothing, 'Own:jimmy.solid': nothing },
    ])
  })

  it('shows no entry twice', async () => {
    const chat = new FakeChat()
    const window = await windowOn(chat)
    const entry = chat.say('once')
    window.connection.tell('Entry', entry)
    await window.reconnect()
    window.connection.tell('Entry', entry)
    await shows(window, ['once'])
    expect(window.unreadMessages.value).toBe(1)
  })

  it('shows an entry after a gap once the gap is filled', async () => {
    const chat = new FakeChat()
    let answer: () => void = () => undefined
    const asked = new Promise<void>(resolve => (answer = resolve))
    const readAfter: ReadAfter = async (...args) => {
      await asked
      return chat.readAfter(args[0], args[1])
    }
    chat.say('one')
    const window = await windowOn(chat, { deaf: true, readAfter })
    chat.say('two')
    window.connection.tell('Entry', chat.say('three'))
    expect(window.shown()).toEqual(['one'])
    expect(window.asked).toHaveBeenCalledWith('General', 1, expect.anything())
    answer()
    await shows(window, ['one', 'two', 'three'])
    expect(window.asked).toHaveBeenCalledTimes(1)
  })

  it('loads entries beyond the limit of Join', async () => {
    const chat = new FakeChat()
    chat.page = 2
    const window = await windowOn(chat, { deaf: true })
    const said = ['a', 'b', 'c', 'd', 'e']
    for (const body of said) chat.say(body)
    await window.reconnect()
    await shows(window, said)
    expect(window.asked).toHaveBeenCalledWith('General', 2, expect.anything())
    expect(window.unreadMessages.value).toBe(5)
  })

  it('retries a gap after a server error', async () => {
    const chat = new FakeChat()
    let failures = 1
    const readAfter: ReadAfter = async (stream, after) => {
      if (failures-- > 0) throw new Problem(503, {})
      return chat.readAfter(stream, after)
    }
    const window = await windowOn(chat, { deaf: true, readAfter })
    chat.say('one')
    window.connection.tell('Entry', chat.say('two'))
    await shows(window, ['one', 'two'])
    expect(window.asked).toHaveBeenCalledTimes(2)
  })

  it('joins again when missing entries do not exist', async () => {
    const chat = new FakeChat()
    chat.say('one')
    const window = await windowOn(chat, { deaf: true, readAfter: async () => [] })
    window.connection.tell('Entry', { ...chat.say('lost with the log'), sequence: 7 })
    await eventually(() => expect(window.connection.calls('Join')).toHaveLength(2))
    await shows(window, ['one', 'lost with the log'])
  })

  it('discards only the stream that was rolled back', async () => {
    const chat = new FakeChat()
    for (const body of ['kept', 'lost', 'lost too']) chat.say(body)
    chat.notice('news')
    const window = await windowOn(chat, { deaf: true })
    chat.rollback('General', 1)
    chat.say('said after the restore')
    await window.reconnect()
    await shows(window, ['kept', 'said after the restore'])
    expect(window.notices()).toEqual(['news'])
    expect(window.told).toEqual([])
  })

  it('discards all streams at Resync and joins without cursors', async () => {
    const chat = new FakeChat()
    for (const body of ['kept', 'lost']) chat.say(body)
    const window = await windowOn(chat)
    chat.rollback('General', 1)
    window.connection.tell('Resync')
    await shows(window, ['kept'])
    expect(window.connection.calls('Join')).toEqual([[{}], [{}]])
    chat.say('new')
    await shows(window, ['kept', 'new'])
  })

  it('detects a rolled back log by a contradicting entry', async () => {
    const chat = new FakeChat()
    for (const body of ['kept', 'lost']) chat.say(body)
    const window = await windowOn(chat)
    chat.rollback('General', 1)
    chat.say('in its place')
    await shows(window, ['kept', 'in its place'])
  })

  it('joins again with its cursors after Behind', async () => {
    const chat = new FakeChat()
    chat.say('one')
    const window = await windowOn(chat, { deaf: true })
    chat.say('two')
    window.connection.tell('Behind', 'General')
    await shows(window, ['one', 'two'])
  })

  it('joins again after a refusal', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const chat = new FakeChat()
    chat.say('one')
    const connection = chat.device()
    connection.answer('Join', () => Promise.reject(new Error('internal: in a moment')))
    const feed = inScope(() => {
      const hub = useHub(connection, () => undefined)
      return { ...useFeed('jimmy.solid', hub, chat.readAfter, () => undefined), open: hub.open }
    })
    await feed.open()
    await vi.advanceTimersByTimeAsync(100)
    expect([feed.status.value, feed.loading.value]).toEqual(['connecting', true])
    connection.answer('Join', cursors => chat.device().invoke('Join', cursors))
    await vi.advanceTimersByTimeAsync(2_000)
    expect([feed.status.value, feed.loading.value]).toEqual(['open', false])
  })

  it('loads older pages up to the first entry', async () => {
    const chat = new FakeChat()
    chat.page = 2
    for (const body of ['a', 'b', 'c', 'd', 'e']) chat.say(body)
    const window = await windowOn(chat)
    expect([window.shown(), window.hasOlderMessages.value]).toEqual([['d', 'e'], true])
    await window.olderMessages()
    expect(window.shown()).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(window.hasOlderMessages.value).toBe(false)
  })

  it('merges the notices of both feeds by time', async () => {
    const chat = new FakeChat()
    chat.page = 1
    chat.notice('first, for all')
    chat.notice('second, for jimmy', 'Own:jimmy.solid')
    chat.notice('third, for all')
    const window = await windowOn(chat)
    // What is for all before the third is not known yet.
    expect(window.notices()).toEqual(['third, for all'])
    await window.olderNotices()
    expect(window.notices()).toEqual(['third, for all', 'second, for jimmy', 'first, for all'])
  })

  it('loads the last page of a stream left out by Join', async () => {
    const chat = new FakeChat()
    chat.page = 0
    chat.notice('news')
    const window = await windowOn(chat)
    await eventually(() => expect(window.notices()).toEqual(['news']))
    expect(window.unreadNotices.value).toBe(1)
  })
})

describe('the unread count', () => {
  it('follows the server and other devices', async () => {
    const chat = new FakeChat()
    chat.page = 2
    for (const body of ['a', 'b', 'c', 'd', 'e']) chat.say(body)
    chat.read.General = 1
    const [desk, phone] = [await windowOn(chat), await windowOn(chat)]
    expect([desk.unreadMessages.value, phone.unreadMessages.value]).toEqual([4, 4])
    chat.say('f')
    expect([desk.unreadMessages.value, phone.unreadMessages.value]).toEqual([5, 5])
    desk.seenMessages()
    await eventually(() => expect(phone.unreadMessages.value).toBe(0))
    expect(desk.unreadMessages.value).toBe(0)
    chat.say('g')
    expect([desk.unreadMessages.value, phone.unreadMessages.value]).toEqual([1, 1])
  })

  it('leaves out own actions', async () => {
    const chat = new FakeChat()
    const window = await windowOn(chat)
    chat.notice('jimmy.solid just sold policy for TRI!!!')
    chat.notice('jimmy.solider just sold policy for TRI!!!')
    chat.say('from me', 'jimmy.solid')
    expect([window.unreadNotices.value, window.unreadMessages.value]).toEqual([1, 0])
    expect(window.told).toEqual(['jimmy.solider just sold policy for TRI!!!'])
  })

  it('sends offline reads after the next connection', async () => {
    const chat = new FakeChat()
    chat.notice('news')
    const window = await windowOn(chat)
    window.connection.lose()
    window.seenNotices()
    await nextTick()
    expect([window.unreadNotices.value, chat.read.Company]).toEqual([0, 0])
    window.connection.comeBack()
    await eventually(() => expect(chat.read.Company).toBe(1))
    expect(window.unreadNotices.value).toBe(0)
  })

  it('sends one read cursor at a time, the newest last', async () => {
    const chat = new FakeChat()
    const window = await windowOn(chat)
    let answer: () => void = () => undefined
    window.connection.answer('MarkRead', () => new Promise(resolve => (answer = resolve)))
    for (const body of ['a', 'b', 'c']) {
      chat.say(body)
      window.seenMessages()
      await nextTick()
    }
    answer()
    await eventually(() =>
      expect(window.connection.calls('MarkRead')).toEqual([
        ['General', 1],
        ['General', 3],
      ]),
    )
  })

  it('is recounted after a rollback of the log', async () => {
    const chat = new FakeChat()
    for (const body of ['a', 'b']) chat.say(body)
    const window = await windowOn(chat)
    chat.rollback('General', 1)
    window.seenMessages()
    await shows(window, ['a'])
    expect(window.unreadMessages.value).toBe(1)
  })
})

describe('presence', () => {
  it('lists online agents and shows joins and leaves', async () => {
    const chat = new FakeChat()
    const window = await windowOn(chat)
    const at = '2026-11-21T09:29:58Z'
    window.connection.tell('Presence', [
      { login: 'danny.solid', state: 'online', at },
      { login: 'jimmy.solid', state: 'online', at },
    ])
    expect([...window.online.value]).toEqual(['danny.solid', 'jimmy.solid'])
    window.connection.tell('Presence', [{ login: 'danny.solid', state: 'offline', at }])
    window.connection.tell('Presence', [{ login: 'danny.solid', state: 'offline', at }])
    expect([...window.online.value]).toEqual(['jimmy.solid'])
    expect(window.presence.value.map(({ text }) => text)).toEqual([
      'danny.solid join chat',
      'danny.solid left chat',
    ])
  })
})
