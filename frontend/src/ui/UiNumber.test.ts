import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import UiNumber from './UiNumber.vue'
import { parseNumber } from './parseNumber'

it.each([
  ['', undefined],
  ['  ', undefined],
  ['95', 95],
  [' 95.5 ', 95.5],
  ['95,5', 95.5],
  ['-1', -1],
  ['1,000', NaN],
  ['1 000', NaN],
  ['1e3', NaN],
  ['1.5.2', NaN],
  ['ten', NaN],
])('%j is the number %s', (text, number) => {
  expect(parseNumber(text)).toEqual(number)
})

it('emits the typed number, keeps the text, and steps with the arrow keys', async () => {
  const field = mount(UiNumber, {
    props: { label: 'How many?', integer: true, modelValue: undefined },
  })
  const input = field.get('input')
  const told = () => field.emitted('update:modelValue')?.at(-1)?.[0]

  await input.setValue('1,50')
  expect(told()).toBe(1.5)
  expect(input.element.value).toBe('1,50')
  await input.setValue('')
  expect(told()).toBeUndefined()
  await input.trigger('keydown', { key: 'ArrowUp' })
  expect(told()).toBe(1)
  await input.trigger('keydown', { key: 'ArrowDown' })
  await input.trigger('keydown', { key: 'ArrowDown' })
  expect(told()).toBe(0)
  expect(input.element.value).toBe('0')
})
