/** How long to wait before the next try, in milliseconds: spread between 0.5 s and, in the end, 15 s. */
export function backoff(tries: number): number {
  const most = Math.min(15_000, 1_000 * 2 ** Math.min(tries, 10))
  return 500 + Math.random() * (most - 500)
}
