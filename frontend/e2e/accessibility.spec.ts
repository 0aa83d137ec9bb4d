import AxeBuilder from '@axe-core/playwright'
import type { Page } from '@playwright/test'
import type { AgentPage } from './AgentPage'
import { sellAs } from './Sale'
import { expect, test } from './fixtures'

async function isAccessible(page: Page, where: string) {
  // A picture of an animation's middle says nothing about its contrast.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map(each => each.finished)))
  const { violations } = await new AxeBuilder({ page }).analyze()
  const found = violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)])
  expect(found, where).toEqual([])
}

/** Nothing of the page sticks out of the screen, and nothing that is said is cut off. */
async function fits(page: Page, where: string) {
  const cutOff = await page
    .locator('[role=log] p:not(.sr-only)')
    .evaluateAll(said =>
      said
        .filter(({ scrollWidth, parentElement }) => scrollWidth > (parentElement?.clientWidth ?? 0))
        .map(({ textContent }) => textContent),
    )
  expect(cutOff, where).toEqual([])
  const outside = await page
    .locator('main form :is(button, input, textarea, select)')
    .evaluateAll(controls =>
      controls
        .filter(control => control.getBoundingClientRect().right > innerWidth)
        .map(({ outerHTML }) => outerHTML),
    )
  expect(outside, where).toEqual([])
  const [content, screen] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ])
  expect(content, where).toBeLessThanOrEqual(screen ?? 0)
}

/** Visits every page and every panel. */
async function visit(agent: AgentPage, look: (page: Page, where: string) => Promise<void>) {
  const { page } = agent
  await look(page, 'sign-in')
  await agent.signIn('jimmy.solid', 'wrong')
  await expect(page.getByRole('alert')).toBeVisible()
  await look(page, 'refused sign-in')
  await agent.arrive('jimmy.solid')
  await look(page, 'products')

  await page.getByRole('link', { name: 'Make an offer: Safe Traveller' }).click()
  await page.getByRole('button', { name: 'Get the price' }).click()
  await expect(page.getByText('Choose one.')).toBeVisible()
  await look(page, 'offer with open questions')
  await agent.offerTravel()
  await page.getByRole('button', { name: 'Buy the policy' }).click()
  await expect(page.getByText('This is required.').first()).toBeVisible()
  await look(page, 'buy form')
  await agent.buy()
  const sold = 'danny.solid just sold policy for TRI!!!'
  await Promise.all([agent.isTold(sold), sellAs(new URL(page.url()).origin, 'danny.solid')])
  await look(page, 'policy, with a toast')
  await page.getByRole('button', { name: 'Terminate…' }).click()
  await look(page, 'terminate dialog')
  await page.keyboard.press('Escape')

  // Half gone, the toast has no contrast.
  await expect(page.getByText(sold)).toBeHidden()
  await agent.goTo('Policies')
  await expect(page.getByRole('heading', { name: 'Policies', level: 1 })).toBeVisible()
  await expect(page.getByText('Active').locator('visible=true')).toBeVisible()
  await look(page, 'policies')
  await agent.openNotices()
  await look(page, 'notices')
  await page.keyboard.press('Escape')
  await agent.goTo('Chat')
  await look(page, 'empty chat')
  await agent.say('Hello')
  await agent.say('A_word_that_is_much_longer_than_any_screen_is_wide_'.repeat(5))
  await look(page, 'chat')
  await page.getByRole('button', { name: /^Account/ }).click()
  await look(page, 'account menu')
  await page.keyboard.press('Escape')
  await page.goto(new URL('/policies/P-0', page.url()).href)
  await expect(page.getByText('Policy not found', { exact: true })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Try again' })).toBeHidden()
  await look(page, 'no such policy')
  await page.goto(new URL('/nowhere', page.url()).href)
  await expect(page.getByRole('heading', { name: 'Page not found' })).toBeVisible()
  await look(page, 'page not found')
}

/** Visits what only administrators see, and the chat with others in it. */
async function visitAdmin(agent: AgentPage, look: (page: Page, where: string) => Promise<void>) {
  const { page } = agent
  await agent.arrive('admin', 'admin')
  await agent.goTo('Admin')
  await expect(page.getByText('On sale').first()).toBeVisible()
  await look(page, 'products and tariffs')
  await page.getByRole('button', { name: /^Activate/ }).click()
  await look(page, 'activate dialog')
  await page.keyboard.press('Escape')
  await page.getByRole('link', { name: 'Tariff of Happy House' }).click()
  await page.getByRole('textbox', { name: 'Premium' }).first().fill('AREA * ROOMS')
  await page.getByRole('button', { name: 'Save tariff' }).click()
  await expect(page.locator('[aria-invalid=true]').first()).toBeVisible()
  await look(page, 'refused tariff')
  await agent.goTo('Admin')
  await page.getByRole('link', { name: 'Announcement' }).click()
  await page.getByRole('radio', { name: 'Chosen agents' }).click()
  await page.getByRole('button', { name: 'Send announcement' }).click()
  await expect(page.getByText('Choose at least one agent.')).toBeVisible()
  await look(page, 'announcement')
  await agent.goTo('Chat')
  await expect(page.getByRole('list', { name: 'Online' }).getByRole('listitem')).toHaveCount(1)
  await agent.say('A_message_that_is_wider_than_a_narrow_screen_when_it_is_quoted')
  await page.getByRole('button', { name: 'Reply to admin' }).click()
  await look(page, 'chat with another agent, and a reply')
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`every page is accessible when it is ${colorScheme}`, async ({ open }) => {
    await visit(await open({ colorScheme }), isAccessible)
  })

  test(`every page for administrators is accessible when it is ${colorScheme}`, async ({
    open,
  }) => {
    await (await open()).arrive('jimmy.solid')
    await visitAdmin(await open({ colorScheme }), isAccessible)
  })
}

test('every page fits a screen of 1280 pixels', async ({ open }) => {
  await visit(await open({ viewport: { width: 1280, height: 720 } }), fits)
})

test('every page fits a screen of 360 pixels, and is accessible there', async ({ open }) => {
  const agent = await open({ viewport: { width: 360, height: 740 }, hasTouch: true })
  await visit(agent, async (page, where) => {
    await fits(page, where)
    await isAccessible(page, where)
  })
})

test('every page for administrators fits a screen of 360 pixels, and is accessible there', async ({
  open,
}) => {
  await (await open()).arrive('jimmy.solid')
  const admin = await open({ viewport: { width: 360, height: 740 }, hasTouch: true })
  await visitAdmin(admin, async (page, where) => {
    await fits(page, where)
    await isAccessible(page, where)
  })
})

test('a chosen theme is kept, and System follows the system', async ({ open }) => {
  const agent = await open({ colorScheme: 'light' })
  const { page } = agent
  const scheme = () => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)
  const choose = async (name: string) => {
    await page.getByRole('button', { name: 'Theme' }).click()
    await page.getByRole('menuitemradio', { name }).click()
  }
  await choose('Dark')
  await expect.poll(scheme).toBe('dark')
  await page.reload()
  await expect.poll(scheme).toBe('dark')
  await choose('System')
  await expect.poll(scheme).toBe('light dark')
})

test('the skip link, the form and the menu work by keyboard', async ({ open }) => {
  const agent = await open()
  const { page } = agent
  await agent.arrive('jimmy.solid')
  await page.reload()
  await agent.isConnected()
  await page.keyboard.press('Tab')
  await expect(page.getByRole('link', { name: 'Skip to the content' })).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('main')).toBeFocused()
  await page.keyboard.press('Tab')
  await expect(page.getByRole('link', { name: /^Make an offer/ }).first()).toBeFocused()
  await page.getByRole('link', { name: 'Make an offer: Safe Traveller' }).press('Enter')
  await expect(page.getByRole('heading', { name: /^Offer for/ })).toBeVisible()
  await expect(page.getByRole('main')).toBeFocused()
  await page.getByRole('radio', { name: 'Europe' }).focus()
  // Held as long as a finger does: the group looks whether the key is still down.
  await page.keyboard.press('ArrowRight', { delay: 100 })
  await expect(page.getByRole('radio', { name: 'Anywhere in the world' })).toBeChecked()
  await page.keyboard.press('Tab')
  await page.keyboard.press('ArrowUp')
  await expect(page.getByRole('spinbutton', { name: 'How many adults travel?' })).not.toHaveValue(
    '',
  )
  await page.getByRole('button', { name: 'Get the price' }).press('Enter')
  await expect(page.getByRole('spinbutton', { name: 'How many children travel?' })).toBeFocused()
})
