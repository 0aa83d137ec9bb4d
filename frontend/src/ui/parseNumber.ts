/**
 * Parses a number as people type it, with a point or a comma before the decimals.
 * Undefined for an empty text; NaN for other texts, and for `1,000`, which some
 * readers take for a thousand and others for one.
 */
export function parseNumber(text: string): number | undefined {
  const typed = text.trim()
  if (typed === '') return undefined
  if (!/^-?\d+([.,]\d+)?$/.test(typed) || /,\d{3}$/.test(typed)) return NaN
  return Number(typed.replace(',', '.'))
}
