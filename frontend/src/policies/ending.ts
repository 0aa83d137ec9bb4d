import type { Policy } from '@/api/policy.gen'

/**
 * The end of a terminated policy: the version before the termination, the last day of
 * cover, and the money returned for the days after. Undefined while the policy is active.
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
