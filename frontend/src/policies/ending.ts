import type { Policy } from '@/api/policy.gen'

/**
 * How a terminated policy ends: what was agreed before, its last day, and the
 * money returned for the days after it. Nothing while it runs.
 */
export function endingOf({ status, versions }: Policy) {
  const [agreed, terminal] = versions.slice(-2)
  if (status !== 'Terminated' || !agreed || !terminal) return undefined
  return {
    agreed,
    lastDay: terminal.coverTo,
    returned: agreed.totalPremium - terminal.totalPremium,
  }
}
