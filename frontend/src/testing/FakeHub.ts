import type { Connection } from '@/hub/useHub'

type Listener = (...args: unknown[]) => void

/** The server's side of a hub, small enough to read. */
export class FakeHub implements Connection {
  refuse = 0
  starts = 0
  stopped = false
  private handlers = new Map<string, Listener>()
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

  tell = (name: string, ...args: unknown[]) => this.handlers.get(name)?.(...args)
  hears = (name: string) => this.handlers.has(name)
  lose = () => this.lost()
  comeBack = () => this.back()
  close = () => this.closed()
}
