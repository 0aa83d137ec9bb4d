import type { HubConnection } from '@microsoft/signalr'
import { onScopeDispose, readonly, shallowRef } from 'vue'
import { backoff } from './backoff'

export type HubStatus = 'connecting' | 'open' | 'reconnecting'

/** What useHub needs of a connection. */
export type Connection = Pick<
  HubConnection,
  'start' | 'stop' | 'on' | 'off' | 'onclose' | 'onreconnecting' | 'onreconnected'
>

/**
 * A SignalR connection as long-lived as the scope that asked for it. It never
 * gives up: SignalR retries a connection it lost, this also the first one and
 * one that the server ended. `failed` hears of each try that did not work.
 */
export function useHub<Events extends object>(connection: Connection, failed: () => void) {
  const status = shallowRef<HubStatus>('connecting')
  let disposed = false
  let timer: ReturnType<typeof setTimeout> | undefined

  connection.onreconnecting(() => {
    status.value = 'reconnecting'
  })
  connection.onreconnected(() => {
    status.value = 'open'
  })
  connection.onclose(() => {
    if (disposed) return
    status.value = 'reconnecting'
    timer = setTimeout(open, backoff(0))
  })

  onScopeDispose(() => {
    disposed = true
    clearTimeout(timer)
    void connection.stop()
  })

  async function open(tries = 0): Promise<void> {
    try {
      await connection.start()
    } catch {
      if (disposed) return
      failed()
      timer = setTimeout(open, backoff(tries), tries + 1)
      return
    }
    if (disposed) return connection.stop()
    status.value = 'open'
  }

  function on<Name extends keyof Events & string>(name: Name, handler: Events[Name]) {
    const listener = handler as (...args: unknown[]) => void
    connection.on(name, listener)
    onScopeDispose(() => connection.off(name, listener))
  }

  return { status: readonly(status), open, on }
}
