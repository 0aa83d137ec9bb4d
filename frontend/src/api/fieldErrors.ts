import { Problem, sentence } from './problem'

/**
 * The server's errors in a request body, by JSON pointer such as
 * `#/policyHolder/taxId`: the first error of each location.
 */
export function fieldErrors(error: unknown): Map<string, string> {
  const found = new Map<string, string>()
  if (!(error instanceof Problem)) return found
  for (const { pointer, detail } of error.body.errors ?? [])
    if (pointer && !found.has(pointer)) found.set(pointer, sentence(detail))
  return found
}
