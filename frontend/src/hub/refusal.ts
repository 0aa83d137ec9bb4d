import { NoAnswer } from '@/api/noAnswer'
import { Problem } from '@/api/problem'

/**
 * Turns a failed invocation into an error. A refusal by the hub has the text
 * `<code>: <detail>`. After a broken connection the outcome is unknown; on an `open`
 * connection the server failed in another way.
 */
export function refusal(error: unknown, open: boolean): Problem | NoAnswer {
  const [, code, detail] =
    /^([a-z]+(?:-[a-z]+)*): (.+)$/s.exec(error instanceof Error ? error.message : '') ?? []
  if (!code || !detail) return open ? new Problem(500, { status: 500 }) : new NoAnswer(error)
  const status = code === 'internal' ? 500 : code === 'too-fast' ? 429 : 400
  return new Problem(status, { status, code, detail })
}
