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
 * Calls from the server on `/hub`. `Draining` needs no handler: the server closes
 * the connection next, and a closed connection is reopened anyway.
 */
export interface HubEvents {
  Entry: (entry: Entry) => void
  Presence: (changes: Presence[]) => void
  Read: (stream: StreamID, login: Login, sequence: number) => void
  Behind: (stream: StreamID) => void
  Resync: () => void
}

/** Calls from the client on `/hub`. */
export interface HubMethods {
  Join: (cursors: Cursors) => Joined
  Send: (stream: StreamID, clientId: string, body: string, options?: SendOptions) => Sent
  History: (stream: StreamID, before: number, limit: number) => Entry[]
  MarkRead: (stream: StreamID, sequence: number) => void
  RefreshToken: (token: string) => void
}

/**
 * A connection to `/hub` that retries for ever; `failed` receives the error of each attempt. Where
 * a network blocks WebSockets, it falls back to server-sent events or long polling.
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

/** Whether a connection was refused for its token. The SignalR client reports this only in the error text. */
export const isUnauthorized = (why: unknown) => String(why).includes("'401'")
