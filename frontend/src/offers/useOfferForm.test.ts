import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { Problem } from '@/api/problem'
import type { Product } from '@/api/policy.gen'
import { FakeServer, json } from '@/testing/FakeServer'
import { inScope } from '@/testing/inScope'
import DetailsForm from './DetailsForm.vue'
import { useOfferForm } from './useOfferForm'

const product: Product = {
  code: 'TRI',
  name: 'Safe Traveller',
  image: '',
  description: '',
  icon: '',
  maxNumberOfInsured: 10,
  status: 'active',
  covers: [
    { code: 'C1', name: 'Luggage', description: '', optional: false },
    { code: 'C3', name: 'Assistance', description: '', optional: true },
  ],
  questions: [
    { index: 3, questionCode: 'NOTE', questionType: 'Text', text: 'Anything else?' },
    {
      index: 1,
      questionCode: 'DESTINATION',
      questionType: 'Choice',
      text: 'Where to?',
      choices: [
        { code: 'EUR', label: 'Europe' },
        { code: 'WORLD', label: 'World' },
      ],
    },
    {
      index: 2,
      questionCode: 'NUM_OF_ADULTS',
      questionType: 'Numeric',
      text: 'How many adults?',
      minimum: 0,
      maximum: 1000,
      integer: true,
    },
  ],
}

function answered() {
  const form = inScope(() => useOfferForm(product))
  form.policyFrom.value = '2026-12-01'
  form.policyTo.value = '2026-12-15'
  Object.assign(form.answers, { DESTINATION: 'EUR', NUM_OF_ADULTS: 1, NOTE: 'none' })
  return form
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T12:00:00Z'), toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
})

describe('the offer form', () => {
  it('starts with the questions, mandatory covers and a year from today', () => {
    const form = inScope(() => useOfferForm(product))
    expect(form.questions.map(({ questionCode }) => questionCode)).toEqual([
      'DESTINATION',
      'NUM_OF_ADULTS',
      'NOTE',
    ])
    expect(form.covers.value).toEqual(['C1'])
    expect([form.policyFrom.value, form.policyTo.value]).toEqual(['2026-11-20', '2027-11-20'])
  })

  it('becomes a request by the contract', () => {
    const form = answered()
    form.covers.value = ['C3', 'C1']
    expect(form.validate()).toBe(true)
    expect(form.request()).toEqual({
      productCode: 'TRI',
      policyFrom: '2026-12-01',
      policyTo: '2026-12-15',
      selectedCovers: ['C1', 'C3'],
      answers: [
        { questionCode: 'DESTINATION', questionType: 'Choice', answer: 'EUR' },
        { questionCode: 'NUM_OF_ADULTS', questionType: 'Numeric', answer: 1 },
        { questionCode: 'NOTE', questionType: 'Text', answer: 'none' },
      ],
    })
  })

  it.each<[string, (form: ReturnType<typeof answered>) => void, Record<string, string>]>([
    ['an open question', form => delete form.answers.DESTINATION, { DESTINATION: 'Choose one.' }],
    [
      'a number that is missing',
      form => (form.answers.NUM_OF_ADULTS = undefined),
      { NUM_OF_ADULTS: 'Enter a number.' },
    ],
    [
      'half an adult',
      form => (form.answers.NUM_OF_ADULTS = 1.5),
      { NUM_OF_ADULTS: 'Enter a whole number.' },
    ],
    [
      'fewer than none',
      form => (form.answers.NUM_OF_ADULTS = -1),
      { NUM_OF_ADULTS: 'Enter 0 or more.' },
    ],
    [
      'too many',
      form => (form.answers.NUM_OF_ADULTS = 1001),
      { NUM_OF_ADULTS: 'Enter 1000 or less.' },
    ],
    ['a blank text', form => (form.answers.NOTE = '  '), { NOTE: 'Write an answer.' }],
    ['no cover', form => (form.covers.value = []), { covers: 'Choose at least one cover.' }],
    [
      'a period that ends before it begins',
      form => (form.policyTo.value = '2026-12-01'),
      { policyTo: 'The last day must come after the first.' },
    ],
  ])('refuses %s', (_, spoil, errors) => {
    const form = answered()
    spoil(form)
    expect(form.validate()).toBe(false)
    expect(form.errors.value).toEqual(errors)
  })

  it('validates each question by its type before a request', async () => {
    setActivePinia(createPinia())
    const offer = { offerNumber: 'O-1', totalPrice: 26, coversPrices: { C1: 26 } }
    const server = new FakeServer().on('POST /api/offers', () => json(offer, 201))
    const form = inScope(() => useOfferForm(product))
    const page = mount(DetailsForm, { props: { product, form }, attachTo: document.body })
    onTestFinished(() => page.unmount())
    expect(page.findAll('[role=radio]').map(radio => radio.text())).toEqual(['Europe', 'World'])

    await page.get('form').trigger('submit')
    expect(server.received).toEqual([])
    expect(page.text()).toContain('Choose one.')

    await page.findAll('[role=radio]')[0]?.trigger('click')
    form.answers.NUM_OF_ADULTS = 1
    form.answers.NOTE = 'none'
    await page.get('form').trigger('submit')
    await vi.waitFor(() => expect(page.emitted('offered')).toEqual([[offer, form.request()]]))
    expect(server.received[0]?.body).toEqual(form.request())
  })

  it('shows a server error at its field', () => {
    const form = answered()
    const refused = (pointer: string) =>
      form.refuse(new Problem(400, { errors: [{ pointer, detail: 'is wrong' }] }))
    expect(refused('#/answers/1/answer')).toBe(true)
    expect(form.errors.value).toEqual({ NUM_OF_ADULTS: 'Is wrong' })
    expect(refused('#/selectedCovers/0')).toBe(true)
    expect(form.errors.value).toEqual({ covers: 'Is wrong' })
    expect(refused('#/productCode')).toBe(false)
  })
})
