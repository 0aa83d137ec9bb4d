import { defineStore } from 'pinia'
import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import { http } from '@/api/http'
import { Problem } from '@/api/problem'
import type { Agent, Session } from '@/api/portal.gen'
import * as storage from '@/storage'

const path = '/api/session'
const retryAfter = 5_000
/** Marks a sign-out that the server has not received: its cookie must not restore the session. */
const pendingKey = 'parley.sign-out-pending'
/** Marks that a session may exist: a browser without one sends no refresh request. */
const maybeKey = 'parley.session'

type Word = { kind: 'signed-in'; login: string } | { kind: 'signed-out' }

/**
 * The signed-in agent. The token is kept here, in memory, and nowhere else; a reloaded
 * page gets a new token through the cookie, which no script can read.
 */
export const useSessionStore = defineStore('session', () => {
  const agent = shallowRef<Agent>()
  const notice = ref('')
  const token = shallowRef('')
  let expiresAt = 0
  // Counts sign-ins and sign-outs, so that a response from before the last one is recognised as late.
  let era = 0
  let refreshing: Promise<boolean> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  const others = new BroadcastChannel('parley.session')
  others.onmessage = ({ data }: MessageEvent<Word>) => {
    if (data.kind === 'signed-out') forget('You signed out in another window.')
    else if (data.login !== agent.value?.login) void refresh().catch(() => undefined)
  }

  onScopeDispose(() => {
    others.close()
    clearTimeout(timer)
  })

  function adopt(answer: Session) {
    token.value = answer.token
    expiresAt = Date.parse(answer.expiresAt)
    storage.remember(maybeKey, '1')
    notice.value = ''
    // The same agent stays the same object, so that no component is rebuilt at each refresh.
    if (JSON.stringify(agent.value) !== JSON.stringify(answer.agent)) agent.value = answer.agent
    // A minute before the token expires. The bounds are for wrong clocks.
    renewIn(Math.min(Math.max(expiresAt - Date.now() - 60_000, 30_000), 14 * 60_000))
  }

  function renewIn(milliseconds: number) {
    clearTimeout(timer)
    timer = setTimeout(() => refresh().catch(() => renewIn(retryAfter)), milliseconds)
  }

  function forget(why: string) {
    era++
    clearTimeout(timer)
    token.value = ''
    expiresAt = 0
    if (agent.value) notice.value = why
    agent.value = undefined
  }

  async function signIn(login: string, password: string) {
    const mine = ++era
    const answer = await http<Session>(path, { method: 'POST', body: { login, password } })
    if (mine !== era) return
    storage.forget(pendingKey)
    adopt(answer)
    others.postMessage({ kind: 'signed-in', login: answer.agent.login } satisfies Word)
  }

  async function signOut() {
    forget('')
    storage.forget(maybeKey)
    storage.remember(pendingKey, '1')
    others.postMessage({ kind: 'signed-out' } satisfies Word)
    await endOnServer()
  }

  async function endOnServer() {
    await http(path, { method: 'DELETE' }).catch((error: unknown) => {
      // A refusal means that no session exists; no response means a retry at the next start.
      if (!(error instanceof Problem) || error.status >= 500) throw error
    })
    storage.forget(pendingKey)
  }

  /** Gets a new token through the cookie; false when the session has ended. One request at a time. */
  function refresh(): Promise<boolean> {
    refreshing ??= exchange().finally(() => (refreshing = undefined))
    return refreshing
  }

  async function exchange(): Promise<boolean> {
    const mine = era
    if (storage.recall(pendingKey)) {
      await endOnServer()
      return false
    }
    try {
      const answer = await http<Session>(`${path}/refresh`, { method: 'POST' })
      if (mine === era) adopt(answer)
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error
      if (mine === era) {
        storage.forget(maybeKey)
        forget('Your session has ended. Sign in again.')
      }
    }
    return token.value !== ''
  }

  /** A token that is still valid for a while, refreshed if necessary and possible. */
  async function freshToken(): Promise<string> {
    if (agent.value && expiresAt - Date.now() < 10_000) await refresh().catch(() => false)
    return token.value
  }

  let resuming: Promise<unknown> | undefined
  /** Resolves once it is known whether the loaded page has a session. */
  const resume = () =>
    (resuming ??=
      storage.recall(maybeKey) || storage.recall(pendingKey)
        ? refresh().catch(() => false)
        : Promise.resolve())

  return {
    agent,
    /** The reason of an end that the agent did not ask for. */
    notice,
    isAdmin: computed(() => agent.value?.roles.includes('ADMIN') ?? false),
    token: () => token.value,
    signIn,
    signOut,
    refresh,
    freshToken,
    resume,
  }
})
