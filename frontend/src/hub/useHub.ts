import type { HubConnection } from '@microsoft/signalr'
import { onScopeDispose, readonly, shallowRef } from 'vue'
import { backoff } from './backoff'
import type { HubEvents, HubMethods } from './hub'
import { refusal } from './refusal'

export type HubStatus = 'connecting' | 'open' | 'reconnecting'

/** The part of a HubConnection that useHub uses. */
export type Connection = Pick<
  HubConnection,
  'start' | 'stop' | 'on' | 'off' | 'invoke' | 'onclose' | 'onreconnecting' | 'onreconnected'
>

/**
 * A SignalR connection owned by the calling scope. It never gives up: SignalR
 * retries a lost connection; useHub also retries the first one and a connection
 * closed by the server. `failed` receives the error of each attempt.
 */
export function useHub(connection: Connection, failed: (why: unknown) => void) {
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
    } catch (error) {
      if (disposed) return
      failed(error)
      timer = setTimeout(open, backoff(tries), tries + 1)
      return
    }
    if (disposed) return connection.stop()
    status.value = 'open'
  }

  function on<Name extends keyof HubEvents>(name: Name, handler: HubEvents[Name]) {
    const listener = handler as (...args: unknown[]) => void
    connection.on(name, listener)
    onScopeDispose(() => connection.off(name, listener))
  }

  /** Throws a Problem when the hub refuses the call, and NoAnswer when the connection broke. */
  async function invoke<Name extends keyof HubMethods>(
    name: Name,
    ...args: Parameters<HubMethods[Name]>
  ): Promise<ReturnType<HubMethods[Name]>> {
    try {
      return await connection.invoke<ReturnType<HubMethods[Name]>>(name, ...args)
    } catch (error) {
      throw refusal(error, status.value === 'open')
    }
  }

  return { status: readonly(status), open, on, invoke }
}

export type Hub = ReturnType<typeof useHub>
