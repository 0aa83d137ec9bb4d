import { describe, expect, it } from 'vitest'
import { day, dayName, money, yearsAfter } from './format'

describe('formatting', () => {
  it('shows money with two decimals and no symbol', () => {
    expect([98, 172.5, 1240.4, 0].map(money)).toEqual(['98.00', '172.50', '1,240.40', '0.00'])
  })

  it('shows the same day in every time zone', () => {
    expect(day('2026-01-01')).toBe('1 Jan 2026')
  })

  it('moves a leap day to the last of February', () => {
    expect(yearsAfter('2028-02-29', 1)).toBe('2029-02-28')
    expect(yearsAfter('2026-11-20', 1)).toBe('2027-11-20')
  })

  it('names yesterday and today', () => {
    const now = new Date(2026, 10, 20, 12)
    const at = (date: number) => new Date(2026, 10, date, 9).toISOString()
    expect([20, 19, 18].map(date => dayName(at(date), now))).toEqual([
      'Today',
      'Yesterday',
      'Wednesday 18 November',
    ])
  })
})
