import { DefaultHttpClient, type HttpRequest, NullLogger } from '@microsoft/signalr'

/**
 * Sends each request with the current token. The SignalR client keeps the token of its first
 * request, which expires before an event stream or a series of polls ends.
 */
export class FreshTokens extends DefaultHttpClient {
  constructor(private readonly token: () => Promise<string>) {
    super(NullLogger.instance)
  }

  override async send(request: HttpRequest) {
    const headers = { ...request.headers, Authorization: `Bearer ${await this.token()}` }
    return super.send({ ...request, headers })
  }
}
