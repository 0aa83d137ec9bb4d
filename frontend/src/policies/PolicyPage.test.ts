import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import type { Policy, PolicyVersion } from '@/api/policy.gen'
import { FakeServer, json, refusal } from '@/testing/FakeServer'
import PolicyPage from './PolicyPage.vue'

const call = 'GET /api/policies/P-1'

const agreed: PolicyVersion = {
  versionNumber: 1,
  coverFrom: '2026-12-01',
  coverTo: '2026-12-15',
  validFrom: '2026-12-01',
  validTo: '2026-12-15',
  totalPremium: 98,
  covers: [],
}

const terminal = (lastDay: string, validFrom: string, totalPremium: number): PolicyVersion => ({
  ...agreed,
  versionNumber: 2,
  coverTo: lastDay,
  validFrom,
  totalPremium,
})

const policy = (...versions: PolicyVersion[]): Policy => ({
  number: 'P-1',
  dateFrom: agreed.coverFrom,
  dateTo: agreed.coverTo,
  policyHolder: 'Anna Kowalska',
  totalPremium: agreed.totalPremium,
  productCode: 'TRI',
  status: versions.length > 1 ? 'Terminated' : 'Active',
  agentLogin: 'jimmy.solid',
  covers: [],
  versions,
})

beforeEach(() => setActivePinia(createPinia()))

function open() {
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: '/policies', name: 'policies', component: { render: () => undefined } }],
  })
  const page = mount(PolicyPage, { props: { number: 'P-1' }, global: { plugins: [router] } })
  onTestFinished(() => page.unmount())
  const facts = () =>
    Object.fromEntries(
      page.findAll('dl > div').map(fact => [fact.get('dt').text(), fact.get('dd').text()] as const),
    )
  const shows = (text: string) => vi.waitFor(() => expect(page.text()).toContain(text))
  return { page, facts, shows }
}

it('shows an active policy with its period and premium', async () => {
  new FakeServer().on(call, () => json({ policy: policy(agreed) }))
  const { facts, shows } = open()
  await shows('Anna Kowalska')
  expect(facts()).toMatchObject({ Period: '1 Dec 2026 – 15 Dec 2026', 'Total premium': '98.00' })
  expect(facts()).not.toHaveProperty('Ends on')
})

it('shows the end of a terminated policy and the money returned', async () => {
  const ended = policy(agreed, terminal('2026-12-04', '2026-12-05', 26.13))
  const server = new FakeServer().on(call, () => json({ policy: ended }))
  for (const today of [agreed, ended.versions[1] ?? agreed]) {
    const shown = { ...ended, dateTo: today.coverTo, totalPremium: today.totalPremium }
    server.on(call, () => json({ policy: shown }))
    const { facts, shows } = open()
    await shows('Terminated')
    expect(facts()).toMatchObject({
      'Agreed period': '1 Dec 2026 – 15 Dec 2026',
      'Ends on': '4 Dec 2026',
      'Agreed premium': '98.00',
      Returned: '71.87',
    })
  }
})

it('shows no days for a version with an empty period', async () => {
  const ended = policy(agreed, terminal('2026-12-15', '2026-12-16', 98))
  new FakeServer().on(call, () => json({ policy: ended }))
  const { page, shows } = open()
  await shows('Terminated')
  const [, covers, valid] = page.findAll('tbody tr').at(-1)?.findAll('td, th') ?? []
  expect(covers?.text()).toBe('1 Dec 2026 – 15 Dec 2026')
  expect(valid?.text()).toBe('–')
})

it('shows an unknown policy without a retry button', async () => {
  new FakeServer().on(call, () => refusal(404, 'policy-unknown', 'Policy not found.'))
  const { page, shows } = open()
  await shows('Policy not found')
  expect(page.text()).not.toContain('Try again')
  expect(page.findAll('a[href="/policies"]').length).toBeGreaterThan(0)
})

it('offers a retry after a server error', async () => {
  new FakeServer().on(call, () => refusal(503, 'unavailable', 'in a moment'))
  const { shows } = open()
  await shows('Try again')
})
