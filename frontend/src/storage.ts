// What this browser remembers. Where storage is forbidden or full it remembers
// nothing, and nothing fails for it.

export function recall(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined
  } catch {
    return undefined
  }
}

export function remember(key: string, value: string) {
  try {
    localStorage.setItem(key, value)
  } catch {
    // Not remembered.
  }
}

export function forget(key: string) {
  try {
    localStorage.removeItem(key)
  } catch {
    // What cannot be reached was not remembered.
  }
}
