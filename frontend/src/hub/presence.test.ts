import { expect, it } from 'vitest'
import { isPresence } from './presence'

it.each([
  ['jimmy.solid join chat', true],
  ['danny.solid left chat', true],
  ['1 more agent join chat', true],
  ['27 more agents left chat', true],
  ['jimmy.solid just sold policy for TRI!!!', false],
  ['jimmy.solid terminated policy P-1 (TRI)', false],
  ['New product: left chat', false],
  ['everybody please join chat', false],
  ['', false],
])('%j says only who came or went: %s', (text, expected) => {
  expect(isPresence(text)).toBe(expected)
})
