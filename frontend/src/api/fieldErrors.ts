import { Problem, sentence } from './problem'

/**
 * What the server found wrong in a request's body, by JSON pointer such as
 * `#/policyHolder/taxId`: the first thing of each place.
 */
export function fieldErrors(error: unknown): Map<string, string> {
  const found = new Map<string, string>()
  if (!(error instanceof Problem)) return found
  for (const { pointer, detail } of error.body.errors ?? [])
    if (pointer && !found.has(pointer)) found.set(pointer, sentence(detail))
  return found
}
