import { http, type Call } from '@/api/http'
import { Problem } from '@/api/problem'
import { useSessionStore } from './sessionStore'

/** Requests of the signed-in agent. A refused token is refreshed once. */
export function useApi() {
  const session = useSessionStore()

  async function call<T>(path: string, options: Call = {}): Promise<T> {
    const token = session.token()
    try {
      return await send<T>(path, options, token)
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error
      // Another request may have refreshed the token meanwhile.
      if (session.token() === token && !(await session.refresh())) throw error
      return send<T>(path, options, session.token())
    }
  }

  const send = <T>(path: string, options: Call, token: string) =>
    http<T>(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } })

  return {
    get: <T>(path: string, signal?: AbortSignal) => call<T>(path, { signal }),
    post: <T>(path: string, body: unknown, options: Pick<Call, 'headers' | 'signal'> = {}) =>
      call<T>(path, { ...options, method: 'POST', body }),
    put: <T>(path: string, body: unknown) => call<T>(path, { method: 'PUT', body }),
  }
}
