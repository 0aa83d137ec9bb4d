import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest'
import type { Product, Tariff } from '@/api/policy.gen'
import { FakeServer, json, refusal } from '@/testing/FakeServer'
import TariffEditor from './TariffEditor.vue'

beforeEach(() => setActivePinia(createPinia()))

const call = 'PUT /api/products/TRI/tariff'
const tariff: Tariff = {
  productCode: 'TRI',
  version: 3,
  base: [
    { cover: 'C1', when: 'DESTINATION == "EUR"', premium: '26' },
    { cover: 'C1', premium: '30' },
  ],
  markups: [{ when: 'NUM_OF_ADULTS > 2', factor: '1.25' }],
}
const product = {
  ...{ code: 'TRI', name: 'Safe Traveller', image: '', description: '', icon: '' },
  ...{ maxNumberOfInsured: 10, status: 'active', questions: [] },
  covers: [
    { code: 'C1', name: 'Luggage', description: '', optional: false },
    { code: 'C2', name: 'Illness', description: '', optional: false },
  ],
} satisfies Product

function editor() {
  const page = mount(TariffEditor, { props: { product, tariff }, attachTo: document.body })
  onTestFinished(() => page.unmount())
  const rule = (name: string) => page.get(`[aria-label="${name}"]`)
  const inputs = (name: string) => rule(name).findAll('input')
  return {
    page,
    rule,
    write: (name: string, field: number, text: string) => inputs(name)[field]?.setValue(text),
    click: (name: string) => page.get(`button[aria-label="${name}"]`).trigger('click'),
    press: (words: string) =>
      page
        .findAll('button')
        .find(button => button.text().includes(words))
        ?.trigger('click'),
    save: () => page.get('form').trigger('submit'),
    said: (words: string) => vi.waitFor(() => expect(page.text()).toContain(words)),
  }
}

it('sends the edited rules with the version that they replace', async () => {
  const server = new FakeServer().on(call, () => json({ ...tariff, version: 4 }))
  const { page, write, click, press, rule, save } = editor()
  await write('Base rule 2', 1, ' 31 ')
  await click('Move Base rule 2 up')
  await click('Remove Markup 1')
  await press('Add a base rule')
  await rule('Base rule 3').get('select').setValue('C2')
  await write('Base rule 3', 1, '52')
  await press('Add a markup')
  await write('Markup 1', 1, '1.1')
  await save()
  await vi.waitFor(() => expect(page.emitted('saved')).toHaveLength(1))
  expect(server.received[0]?.body).toEqual({
    version: 3,
    base: [
      { cover: 'C1', premium: '31' },
      { cover: 'C1', when: 'DESTINATION == "EUR"', premium: '26' },
      { cover: 'C2', premium: '52' },
    ],
    markups: [{ factor: '1.1' }],
  })
})

it('keeps an error at its field while the rule moves', async () => {
  const errors = [
    { pointer: '#/base/0/premium', detail: 'there is no question X' },
    { pointer: '#/markups/0', detail: 'it never holds' },
  ]
  new FakeServer().on(call, () => refusal(400, 'tariff-invalid', 'the tariff is broken', errors))
  const { page, rule, write, click, save, said } = editor()
  await write('Base rule 1', 1, 'X * 2')
  await save()
  await said('There is no question X')
  const field = rule('Base rule 1').findAll('input')[1]
  expect(field?.attributes('aria-invalid')).toBe('true')
  expect(document.activeElement).toBe(field?.element)
  expect(rule('Markup 1').text()).toContain('It never holds')
  expect(page.emitted('saved')).toBeUndefined()

  await click('Move Base rule 1 down')
  expect(rule('Base rule 2').text()).toContain('There is no question X')
  await write('Base rule 2', 1, '26')
  expect(page.text()).not.toContain('There is no question X')
})

it('shows an error without a field', async () => {
  const errors = [{ pointer: '#/base', detail: 'there must be a rule' }]
  new FakeServer().on(call, () => refusal(400, 'request-invalid', 'it does not fit', errors))
  const { save, said } = editor()
  await save()
  await said('It does not fit · #/base: There must be a rule')
})

it('offers a reload after a concurrent change', async () => {
  new FakeServer().on(call, () => refusal(409, 'tariff-conflict', 'it was changed meanwhile'))
  const { page, press, save, said } = editor()
  await save()
  await said('It was changed meanwhile')
  await press('Reload the tariff')
  expect(page.emitted('reload')).toHaveLength(1)
})

it('moves neither the first rule up nor the last down', async () => {
  const { page, click } = editor()
  await click('Move Base rule 1 up')
  await click('Move Base rule 2 down')
  expect(page.findAll<HTMLInputElement>('input').map(({ element }) => element.value)).toEqual([
    ...['DESTINATION == "EUR"', '26', '', '30', 'NUM_OF_ADULTS > 2', '1.25'],
  ])
})
