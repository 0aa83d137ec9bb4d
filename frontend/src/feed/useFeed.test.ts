import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { NoAnswer } from '@/api/noAnswer'
import { Problem } from '@/api/problem'
import type { EntriesPage, Entry } from '@/api/types'
import { inScope } from '@/testing/inScope'
import { useFeed } from './useFeed'

/** A log as the server keeps it; its cursor is how many entries it had. */
class FakeLog {
  entries: Entry[] = []
  asked: string[] = []
  pageSize = 1_000
  resync = false
  /** Runs between the question and the answer. */
  during: () => void | Promise<void> = () => undefined

  say = (body: string, author = 'danny.solid') => this.add('General', 'message', author, body)
  notice = (body: string) => this.add('Company', 'notice', '', body)

  read = async (since: string): Promise<EntriesPage> => {
    this.asked.push(since)
    if (this.resync && since.startsWith('at ')) throw new Problem(410, { code: 'resync' })
    const from = since.startsWith('at ') ? Number(since.slice(3)) : 0
    const to = Math.min(from + this.pageSize, this.entries.length)
    const page = {
      entries: this.entries.slice(from, to),
      cursor: `at ${to}`,
      more: to < this.entries.length,
    }
    await this.during()
    return page
  }

  private add(stream: string, kind: string, author: string, body: string) {
    const sequence = this.entries.filter(entry => entry.stream === stream).length + 1
    const id = `${stream} ${sequence}`
    const at = new Date().toISOString()
    this.entries.push({ stream, sequence, tag: 't', id, kind, author, avatar: '', body, at })
  }
}

beforeEach(() => {
  localStorage.clear()
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
})

function feedOf(log: FakeLog) {
  const missed: string[] = []
  const feed = inScope(() =>
    useFeed('jimmy.solid', log.read, entries => missed.push(...entries.map(({ body }) => body))),
  )
  const shown = () =>
    [...feed.messages.value, ...feed.waitingMessages.value].map(({ body }) => body)
  const told = () => [...feed.notices.value, ...feed.waitingNotices.value].map(({ body }) => body)
  return Object.assign(feed, { shown, told, missed })
}

describe('the feed', () => {
  it('reads the last week first, and from its cursor afterwards', async () => {
    const log = new FakeLog()
    log.say('one')
    const feed = feedOf(log)
    await feed.catchUp()
    log.say('two')
    await feed.catchUp()
    expect(feed.shown()).toEqual(['one', 'two'])
    const week = 7 * 24 * 60 * 60_000
    expect(log.asked).toEqual([new Date(Date.now() - week).toISOString(), 'at 1'])
  })

  it('reads on until there is no more', async () => {
    const log = new FakeLog()
    log.pageSize = 2
    for (const body of ['a', 'b', 'c', 'd', 'e']) log.say(body)
    const feed = feedOf(log)
    await feed.catchUp()
    expect(feed.shown()).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(log.asked).toHaveLength(3)
  })

  it('shows a push at once, and once the log has it, as the log has it', async () => {
    const log = new FakeLog()
    const feed = feedOf(log)
    await feed.catchUp()
    log.say('hello')
    feed.pushMessage('danny.solid', '', 'hello')
    expect(feed.shown()).toEqual(['hello'])
    expect(feed.messages.value).toEqual([])
    await vi.advanceTimersByTimeAsync(2_000)
    expect(feed.shown()).toEqual(['hello'])
    expect(feed.messages.value).toHaveLength(1)
  })

  it('asks once for a burst, and within 5 seconds however long it lasts', async () => {
    const log = new FakeLog()
    const feed = feedOf(log)
    await feed.catchUp()
    for (let n = 0; n < 100; n++) {
      log.say(`m${n}`)
      feed.pushMessage('danny.solid', '', `m${n}`)
      await vi.advanceTimersByTimeAsync(100)
    }
    await vi.advanceTimersByTimeAsync(2_000)
    expect(log.asked.length).toBeLessThanOrEqual(4)
    expect(log.asked.length).toBeGreaterThanOrEqual(3)
    expect(feed.shown()).toEqual(log.entries.map(({ body }) => body))
  })

  it('keeps what is pushed while it asks, shows nothing twice and loses nothing', async () => {
    const log = new FakeLog()
    const feed = feedOf(log)
    await feed.catchUp()
    log.say('before')
    log.say('already in the answer')
    log.during = () => {
      log.during = () => undefined
      feed.pushMessage('danny.solid', '', 'already in the answer')
      log.say('after the answer')
      feed.pushMessage('danny.solid', '', 'after the answer')
    }
    await feed.catchUp()
    const all = ['before', 'already in the answer', 'after the answer']
    expect(feed.shown()).toEqual(all)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(feed.shown()).toEqual(all)
    expect(feed.waitingMessages.value).toEqual([])
  })

  it('asks again when it is told to while it asks', async () => {
    const log = new FakeLog()
    const feed = feedOf(log)
    let wish: Promise<void> | undefined
    log.during = () => {
      log.during = () => undefined
      log.say('meanwhile')
      wish = feed.catchUp()
    }
    await feed.catchUp()
    await wish
    expect(log.asked).toHaveLength(2)
    expect(feed.shown()).toEqual(['meanwhile'])
  })

  it('tries again by itself after a failure, without losing its place', async () => {
    const log = new FakeLog()
    log.say('one')
    const feed = feedOf(log)
    await feed.catchUp()
    log.say('two')
    for (const weather of [new NoAnswer('network'), new Problem(503, {}), new Problem(429, {})]) {
      log.during = () => Promise.reject(weather)
      await feed.catchUp()
      expect(feed.shown()).toEqual(['one'])
    }
    log.during = () => undefined
    await vi.advanceTimersByTimeAsync(6_000)
    expect(feed.shown()).toEqual(['one', 'two'])
  })

  it('lets a mistake be seen, and does not try it again', async () => {
    for (const mistake of [new TypeError('undefined'), new Problem(400, {})]) {
      const log = new FakeLog()
      const feed = feedOf(log)
      log.during = () => Promise.reject(mistake)
      await expect(feed.catchUp()).rejects.toThrow(mistake)
      await vi.advanceTimersByTimeAsync(60_000)
      expect(log.asked).toHaveLength(1)
    }
  })

  it('leaves the end of the session to others', async () => {
    const log = new FakeLog()
    const feed = feedOf(log)
    log.during = () => Promise.reject(new Problem(401, {}))
    await feed.catchUp()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(log.asked).toHaveLength(1)
  })

  it('begins again when the log was set back', async () => {
    const log = new FakeLog()
    log.say('kept')
    log.say('lost')
    const feed = feedOf(log)
    await feed.catchUp()
    log.entries.pop()
    log.say('said after the restore')
    log.resync = true
    await feed.catchUp()
    expect(feed.shown()).toEqual(['kept', 'said after the restore'])
  })

  it('counts what others wrote as unread until it is read, also after a reload', async () => {
    const log = new FakeLog()
    log.say('from danny')
    log.say('from me', 'jimmy.solid')
    log.notice('news')
    const feed = feedOf(log)
    await feed.catchUp()
    expect([feed.unreadMessages.value, feed.unreadNotices.value]).toEqual([1, 1])
    feed.markRead('notice')
    expect([feed.unreadMessages.value, feed.unreadNotices.value]).toEqual([1, 0])

    const reloaded = feedOf(log)
    await reloaded.catchUp()
    expect([reloaded.unreadMessages.value, reloaded.unreadNotices.value]).toEqual([1, 0])
  })

  it('remembers what was read while the page is open, where the browser keeps nothing', async () => {
    vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError')
    })
    const log = new FakeLog()
    log.say('from danny')
    log.notice('news')
    const feed = feedOf(log)
    await feed.catchUp()
    feed.markRead('notice')
    feed.markRead('message')
    expect([feed.unreadMessages.value, feed.unreadNotices.value]).toEqual([0, 0])
  })

  it('neither counts nor tells what the agent did themselves', async () => {
    const log = new FakeLog()
    const feed = feedOf(log)
    await feed.catchUp()
    log.notice('jimmy.solid just sold policy for TRI!!!')
    log.notice('jimmy.solider just sold policy for TRI!!!')
    await feed.catchUp()
    feed.pushNotice('jimmy.solid just sold policy for CAR!!!')
    expect(feed.told()).toHaveLength(3)
    expect(feed.unreadNotices.value).toBe(1)
    expect(feed.missed).toEqual(['jimmy.solider just sold policy for TRI!!!'])
  })

  it('does not count a notice again that was read while it was only a push', async () => {
    const log = new FakeLog()
    const feed = feedOf(log)
    await feed.catchUp()
    log.notice('sold')
    feed.pushNotice('sold')
    expect(feed.unreadNotices.value).toBe(1)
    feed.markRead('notice')
    await vi.advanceTimersByTimeAsync(2_000)
    expect(feed.told()).toEqual(['sold'])
    expect(feed.unreadNotices.value).toBe(0)
  })

  it('tells the notices that no push told, but not those of before', async () => {
    const log = new FakeLog()
    log.notice('old')
    const feed = feedOf(log)
    await feed.catchUp()
    expect(feed.missed).toEqual([])
    log.notice('pushed')
    feed.pushNotice('pushed')
    log.notice('missed')
    await feed.catchUp()
    expect(feed.missed).toEqual(['missed'])
  })

  it('applies no answer that comes after its end', async () => {
    const log = new FakeLog()
    log.say('late')
    const feed = feedOf(log)
    log.during = () => feed.stop()
    await feed.catchUp()
    expect(feed.shown()).toEqual([])
  })
})
