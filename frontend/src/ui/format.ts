const amounts = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const wholes = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const days = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' })
const dayNames = new Intl.DateTimeFormat('en-GB', {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
})
const times = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })

/** Formats an amount with two decimals. No currency is defined, so none is shown. */
export const money = (amount: number) => amounts.format(amount)

/** Formats a round amount, for example the sum insured of a cover. */
export const sum = (amount: number) =>
  Number.isInteger(amount) ? wholes.format(amount) : amounts.format(amount)

/** Formats a calendar day, `2026-11-20`. A day has no time zone, so it never shifts. */
export const day = (date: string) => days.format(new Date(`${date}T00:00:00Z`))

/** Formats an instant's time of day in the reader's time zone. */
export const time = (at: string) => times.format(new Date(at))

/** Formats an instant's day in the reader's time zone. */
export function dayName(at: string, now = new Date()): string {
  const date = new Date(at)
  if (date.toDateString() === now.toDateString()) return 'Today'
  const yesterday = new Date(now)
  yesterday.setDate(now.getDate() - 1)
  return date.toDateString() === yesterday.toDateString() ? 'Yesterday' : dayNames.format(date)
}

/** Today as `YYYY-MM-DD`, in UTC like every day of a policy. */
export const today = () => new Date().toISOString().slice(0, 10)

/** The same day so many years later; 29 February becomes 28 February. */
export function yearsAfter(date: string, years: number): string {
  const [year = 0, month = 1, dayOfMonth = 1] = date.split('-').map(Number)
  const last = new Date(Date.UTC(year + years, month, 0)).getUTCDate()
  const then = new Date(Date.UTC(year + years, month - 1, Math.min(dayOfMonth, last)))
  return then.toISOString().slice(0, 10)
}
