import { DefaultHttpClient, type HttpRequest, NullLogger } from '@microsoft/signalr'

/**
 * Sends each request with the token of its time. The client itself keeps the one that it connected
 * with, which a stream, or polls, outlive.
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
