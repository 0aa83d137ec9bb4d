import { onTestFinished } from 'vitest'
import { effectScope } from 'vue'

/** Runs a composable in a scope that ends with the test, or by `stop`. */
export function inScope<T>(setup: () => T): T & { stop: () => void } {
  const scope = effectScope()
  onTestFinished(() => scope.stop())
  const made = scope.run(setup)
  if (made === undefined) throw new Error('the scope made nothing')
  return Object.assign(made as T & object, { stop: () => scope.stop() })
}
