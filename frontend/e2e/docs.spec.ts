import AxeBuilder from '@axe-core/playwright'
import { expect, test } from './fixtures'

const pages = {
  policy: 'Terminate a policy',
  chat: 'Send a message to the room General',
  session: 'Refresh the token',
  events: 'policyHolder.taxId',
  hubs: 'sendOptions.replyTo',
}

test('the contracts are documented without foreign requests', async ({ page, parley }) => {
  const problems: string[] = []
  page.on('pageerror', ({ message }) => problems.push(message))
  page.on('console', message => {
    if (message.type() === 'error') problems.push(message.text())
  })
  page.on('request', request => {
    if (new URL(request.url()).origin !== parley.url) problems.push(request.url())
  })
  for (const [name, says] of Object.entries(pages)) {
    await page.goto(`${parley.url}/docs`)
    await page.locator(`a[href="/docs/${name}"]`).click()
    await expect(page.getByText(says).locator('visible=true').first()).toBeVisible()
  }
  expect(problems).toEqual([])
})

test('the documentation of REST can be searched', async ({ page, parley }) => {
  await page.goto(`${parley.url}/docs/policy`)
  await page.getByPlaceholder('Search').fill('termination')
  await expect(page.getByRole('search').getByText('Terminate a policy')).toBeVisible()
})

for (const colorScheme of ['light', 'dark'] as const)
  test(`the documentation's own pages are accessible when ${colorScheme}`, async ({
    page,
    parley,
  }) => {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width: 360, height: 740 })
    for (const name of ['', 'events', 'hubs']) {
      await page.goto(`${parley.url}/docs/${name}`)
      const { violations } = await new AxeBuilder({ page }).analyze()
      expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html])).toEqual([])
    }
  })
