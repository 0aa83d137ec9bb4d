import { createPinia, disposePinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { FakeServer, json, nothing, refusal } from '@/testing/FakeServer'
import { useSessionStore } from './sessionStore'
import { useApi } from './useApi'

const jimmy = { login: 'jimmy.solid', name: 'Jimmy', avatar: '', roles: ['SALESMAN'] }
const danny = { ...jimmy, login: 'danny.solid' }

/** A server that hands out token-1, token-2 … and takes only the newest. */
function portal(agent = jimmy) {
  let issued = 0
  const session = () => json({ token: `token-${++issued}`, expiresAt: in15Minutes(), agent })
  return new FakeServer()
    .on('POST /api/session', session)
    .on('POST /api/session/refresh', session)
    .on('DELETE /api/session', nothing)
    .on('GET /api/products', ({ headers }) =>
      headers.get('Authorization') === `Bearer token-${issued}`
        ? json({ items: [] })
        : refusal(401, 'token-invalid', 'the token is not valid'),
    )
}

const in15Minutes = () => new Date(Date.now() + 15 * 60_000).toISOString()

/** Another window: a Pinia of its own on the same browser. */
function openWindow() {
  const pinia = createPinia()
  setActivePinia(pinia)
  onTestFinished(() => disposePinia(pinia))
  return useSessionStore()
}

beforeEach(() => {
  localStorage.clear()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  onTestFinished(() => void vi.useRealTimers())
})

describe('the session', () => {
  it('sends no refresh from a browser without a session', async () => {
    const server = portal()
    const session = openWindow()
    await session.resume()
    expect(session.agent).toBeUndefined()
    expect(server.received).toEqual([])
  })

  it('sends no refresh after a sign-out', async () => {
    const server = portal()
    const before = openWindow()
    await before.signIn('jimmy.solid', 'secret')
    await before.signOut()
    await openWindow().resume()
    expect(server.count('POST /api/session/refresh')).toBe(0)
  })

  it('is restored through the cookie at page load', async () => {
    portal()
    await openWindow().signIn('jimmy.solid', 'secret')
    const session = openWindow()
    await session.resume()
    expect(session.agent).toEqual(jimmy)
    expect(session.token()).toBe('token-2')
  })

  it('ends when the cookie is refused', async () => {
    const server = portal()
    await openWindow().signIn('jimmy.solid', 'secret')
    server.on('POST /api/session/refresh', () => refusal(401, 'session-over', 'sign in again'))
    const session = openWindow()
    await session.resume()
    expect(session.agent).toBeUndefined()
    expect(session.notice).toBe('')
    await openWindow().resume()
    expect(server.count('POST /api/session/refresh')).toBe(1)
  })

  it('shows the reason of a refused sign-in', async () => {
    portal().on('POST /api/session', () => refusal(401, 'credentials-wrong', 'the login is wrong'))
    await expect(openWindow().signIn('x', 'y')).rejects.toThrow('The login is wrong')
  })

  it('refreshes the token before it expires', async () => {
    const server = portal()
    const session = openWindow()
    await session.signIn('jimmy.solid', 'secret')
    await vi.advanceTimersByTimeAsync(13 * 60_000)
    expect(server.count('POST /api/session/refresh')).toBe(0)
    await vi.advanceTimersByTimeAsync(90_000)
    expect(server.count('POST /api/session/refresh')).toBe(1)
    expect(session.token()).toBe('token-2')
  })

  it('retries a refresh while the server is unreachable', async () => {
    const server = portal()
    const session = openWindow()
    await session.signIn('jimmy.solid', 'secret')
    server.on('POST /api/session/refresh', () => Promise.reject(new TypeError('network')))
    await vi.advanceTimersByTimeAsync(14 * 60_000 + 20_000)
    expect(server.count('POST /api/session/refresh')).toBeGreaterThan(2)
    expect(session.agent).toEqual(jimmy)
  })

  it('refreshes once for many refused requests', async () => {
    const server = portal()
    const session = openWindow()
    await session.signIn('jimmy.solid', 'secret')
    await fetch('/api/session/refresh', { method: 'POST' }) // token-1 is no longer the newest
    const api = useApi()
    await Promise.all([1, 2, 3].map(() => api.get('/api/products')))
    expect(server.count('POST /api/session/refresh')).toBe(2)
    expect(server.count('GET /api/products')).toBe(6)
  })

  it('ends when a refresh after a refusal fails', async () => {
    const server = portal()
    const session = openWindow()
    await session.signIn('jimmy.solid', 'secret')
    server
      .on('POST /api/session/refresh', () => refusal(401, 'session-over', 'sign in again'))
      .on('GET /api/products', () => refusal(401, 'token-invalid', 'the token is not valid'))
    await expect(useApi().get('/api/products')).rejects.toThrow('The token is not valid')
    expect(session.agent).toBeUndefined()
    expect(session.notice).toContain('Sign in again')
  })

  it('ends in every window after a sign-out', async () => {
    portal()
    const one = openWindow()
    const other = openWindow()
    await one.signIn('jimmy.solid', 'secret')
    await vi.waitFor(() => expect(other.agent).toEqual(jimmy))
    await one.signOut()
    await vi.waitFor(() => expect(other.agent).toBeUndefined())
    expect(other.token()).toBe('')
  })

  it('follows a sign-in in another window', async () => {
    portal()
    const one = openWindow()
    const other = openWindow()
    await one.signIn('jimmy.solid', 'secret')
    await vi.waitFor(() => expect(other.agent).toEqual(jimmy))
    portal(danny)
    await one.signIn('danny.solid', 'secret')
    await vi.waitFor(() => expect(other.agent).toEqual(danny))
  })

  it('ignores a refresh response after a sign-out', async () => {
    const server = portal()
    const session = openWindow()
    await session.signIn('jimmy.solid', 'secret')
    let answer: (response: Response) => void = () => undefined
    server.on('POST /api/session/refresh', () => new Promise(resolve => (answer = resolve)))
    const refreshed = session.refresh()
    await session.signOut()
    answer(json({ token: 'late', expiresAt: in15Minutes(), agent: jimmy }))
    expect(await refreshed).toBe(false)
    expect(session.agent).toBeUndefined()
    expect(session.token()).toBe('')
  })

  it('stays signed out when the server missed the sign-out', async () => {
    const server = portal()
    const session = openWindow()
    await session.signIn('jimmy.solid', 'secret')
    server.on('DELETE /api/session', () => Promise.reject(new TypeError('network')))
    await expect(session.signOut()).rejects.toThrow()

    const reloaded = openWindow()
    await reloaded.resume()
    expect(reloaded.agent).toBeUndefined()

    server.on('DELETE /api/session', nothing)
    const again = openWindow()
    await again.resume()
    expect(again.agent).toBeUndefined()
    expect(server.count('DELETE /api/session')).toBe(3)
    expect(server.count('POST /api/session/refresh')).toBe(0)
  })
})
