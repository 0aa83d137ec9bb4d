/** Delay before the next attempt in milliseconds: exponential with jitter, from 0.5 s to 15 s. */
export function backoff(tries: number): number {
  const most = Math.min(15_000, 1_000 * 2 ** Math.min(tries, 10))
  return 500 + Math.random() * (most - 500)
}
