import { HubConnectionBuilder, LogLevel } from '@microsoft/signalr'
import type {
  Cursors,
  Entry,
  Joined,
  Login,
  Presence,
  SendOptions,
  Sent,
  StreamID,
} from '@/api/hubs.gen'
import { backoff } from './backoff'
import { FreshTokens } from './FreshTokens'

/**
 * What the server calls on `/hub`. Nothing is done about `Draining`: the server
 * then ends the connection, and one that ended is opened again anyway.
 */
export interface HubEvents {
  Entry: (entry: Entry) => void
  Presence: (changes: Presence[]) => void
  Read: (stream: StreamID, login: Login, sequence: number) => void
  Behind: (stream: StreamID) => void
  Resync: () => void
}

/** What can be called on `/hub`. */
export interface HubMethods {
  Join: (cursors: Cursors) => Joined
  Send: (stream: StreamID, clientId: string, body: string, options?: SendOptions) => Sent
  History: (stream: StreamID, before: number, limit: number) => Entry[]
  MarkRead: (stream: StreamID, sequence: number) => void
  RefreshToken: (token: string) => void
}

/**
 * A connection to `/hub` that tries for ever; `failed` hears why each try did not work. Where a
 * network lets no socket through, it is a stream, or polls.
 */
export function connect(token: () => Promise<string>, failed: (why: unknown) => void) {
  return new HubConnectionBuilder()
    .withUrl('/hub', { accessTokenFactory: token, httpClient: new FreshTokens(token) })
    .withAutomaticReconnect({
      nextRetryDelayInMilliseconds({ previousRetryCount, retryReason }) {
        if (previousRetryCount > 0) failed(retryReason)
        return backoff(previousRetryCount)
      },
    })
    .configureLogging(LogLevel.Critical)
    .build()
}

/** Whether a connection was refused for its token. The client says it in words only. */
export const isUnauthorized = (why: unknown) => String(why).includes("'401'")
