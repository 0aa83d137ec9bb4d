import type { HubEvents, HubMethods } from '@/hub/hub'
import type { Connection } from '@/hub/useHub'

type Listener = (...args: unknown[]) => void
type Method = (...args: unknown[]) => unknown

/** A fake hub connection. */
export class FakeHub implements Connection {
  refuse = 0
  starts = 0
  stopped = false
  invoked: [string, ...unknown[]][] = []
  private handlers = new Map<string, Listener>()
  private methods = new Map<string, Method>()
  private closed = (): void => undefined
  private lost = (): void => undefined
  private back = (): void => undefined

  start = async () => {
    this.starts++
    if (this.refuse-- > 0) throw new Error('refused')
  }
  stop = async () => {
    this.stopped = true
  }
  on = (name: string, listener: Listener) => void this.handlers.set(name, listener)
  off = (name: string) => void this.handlers.delete(name)
  onclose = (listener: () => void) => void (this.closed = listener)
  onreconnecting = (listener: () => void) => void (this.lost = listener)
  onreconnected = (listener: () => void) => void (this.back = listener)
  invoke = async <T>(name: string, ...args: unknown[]): Promise<T> => {
    this.invoked.push([name, ...args])
    const method = this.methods.get(name)
    if (!method) throw new Error(`Unknown hub method '${name}'`)
    return (await method(...args)) as T
  }

  /** Sets the answer to an invocation; the last call wins. */
  answer<Name extends keyof HubMethods>(
    name: Name,
    method: (
      ...args: Parameters<HubMethods[Name]>
    ) => ReturnType<HubMethods[Name]> | Promise<ReturnType<HubMethods[Name]>>,
  ) {
    this.methods.set(name, method as Method)
    return this
  }

  tell = <Name extends keyof HubEvents>(name: Name, ...args: Parameters<HubEvents[Name]>) =>
    this.handlers.get(name)?.(...args)
  hears = (name: string) => this.handlers.has(name)
  /** The recorded invocations of a method, by their arguments. */
  calls = (name: string) =>
    this.invoked.filter(([each]) => each === name).map(([, ...args]) => args)
  lose = () => this.lost()
  comeBack = () => this.back()
  close = () => this.closed()
}
