import { expect, test, vi } from 'vitest'
import { FreshTokens } from './FreshTokens'

test('sends the current token with each request', async () => {
  const fetched = vi
    .spyOn(globalThis, 'fetch')
    .mockImplementation(() => Promise.resolve(new Response('', { status: 200 })))
  const tokens = ['old', 'new']
  const client = new FreshTokens(() => Promise.resolve(tokens.shift() ?? ''))
  for (const expected of ['Bearer old', 'Bearer new']) {
    // As the client asks: with the token that it has kept.
    await client.post('/hub?id=1', { content: 'x', headers: { Authorization: 'Bearer kept' } })
    const headers = new Headers(fetched.mock.lastCall?.[1]?.headers)
    expect(headers.get('Authorization')).toBe(expected)
  }
})
