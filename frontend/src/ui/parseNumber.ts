/**
 * A number as people type it, with a point or a comma before its decimals.
 * Undefined for nothing; NaN for what is no number, and for `1,000`, which is a
 * thousand to some and one to others.
 */
export function parseNumber(text: string): number | undefined {
  const typed = text.trim()
  if (typed === '') return undefined
  if (!/^-?\d+([.,]\d+)?$/.test(typed) || /,\d{3}$/.test(typed)) return NaN
  return Number(typed.replace(',', '.'))
}
