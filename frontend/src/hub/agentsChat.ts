import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr'
import { backoff } from './backoff'

/** What the server calls on `/agentsChat`. */
export interface AgentsChat {
  ReceiveMessage: (login: string, avatar: string, text: string) => void
  ReceiveNotification: (text: string) => void
}

/** A connection to `/agentsChat` that tries for ever; `failed` hears of each try that did not work. */
export function agentsChat(token: () => Promise<string>, failed: () => void) {
  return new HubConnectionBuilder()
    .withUrl('/agentsChat', {
      accessTokenFactory: token,
      transport: HttpTransportType.WebSockets,
    })
    .withAutomaticReconnect({
      nextRetryDelayInMilliseconds({ previousRetryCount }) {
        if (previousRetryCount > 0) failed()
        return backoff(previousRetryCount)
      },
    })
    .configureLogging(LogLevel.Critical)
    .build()
}
