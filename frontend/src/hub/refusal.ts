import { NoAnswer } from '@/api/noAnswer'
import { Problem } from '@/api/problem'

/**
 * Why an invocation failed. What the hub refuses it says as `<code>: <detail>`.
 * When the connection broke, nobody knows what was done; while it is `open`, the
 * server failed in another way.
 */
export function refusal(error: unknown, open: boolean): Problem | NoAnswer {
  const [, code, detail] =
    /^([a-z]+(?:-[a-z]+)*): (.+)$/s.exec(error instanceof Error ? error.message : '') ?? []
  if (!code || !detail) return open ? new Problem(500, { status: 500 }) : new NoAnswer(error)
  const status = code === 'internal' ? 500 : code === 'too-fast' ? 429 : 400
  return new Problem(status, { status, code, detail })
}
