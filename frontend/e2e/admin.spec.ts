import { expect, test } from './fixtures'

test('an activated product can be sold at once', async ({ open }) => {
  const [admin, jimmy] = [await open(), await open()]
  await Promise.all([admin.arrive('admin', 'admin'), jimmy.arrive('jimmy.solid')])
  const products = jimmy.page.getByRole('main')
  await expect(products.getByRole('heading', { level: 2 })).toHaveCount(4)

  await admin.goTo('Admin')
  await admin.page.getByRole('button', { name: /^Activate/ }).click()
  const news = /^New product: .* \(PET\)$/
  await Promise.all([
    jimmy.isTold(news),
    admin.page.getByRole('dialog').getByRole('button', { name: 'Activate' }).click(),
  ])
  await expect(admin.page.getByText(/is on sale now/)).toBeVisible()
  await expect(admin.page.getByRole('button', { name: /^Activate/ })).toHaveCount(0)
  await expect(products.getByRole('heading', { level: 2 })).toHaveCount(5)
})

test('an invalid tariff is refused at its field, a valid one prices the next offer', async ({
  open,
}) => {
  const [admin, jimmy] = [await open(), await open()]
  await Promise.all([admin.arrive('admin', 'admin'), jimmy.arrive('jimmy.solid')])
  await admin.goTo('Admin')
  await admin.page.getByRole('link', { name: 'Tariff of Safe Traveller' }).click()
  await expect(admin.page.getByText('Version 1. Offers')).toBeVisible()
  const rule = admin.page.getByRole('listitem', { name: 'Base rule 1', exact: true })
  const premium = rule.getByRole('textbox', { name: 'Premium' })
  const before = await premium.inputValue()
  const save = admin.page.getByRole('button', { name: 'Save tariff' })

  await premium.fill('NUM_OF_TEENAGERS * 2')
  await save.click()
  await expect(premium).toHaveAttribute('aria-invalid', 'true')
  await expect(premium).toBeFocused()
  await expect(premium).toHaveAccessibleDescription(/NUM_OF_TEENAGERS/)
  await jimmy.offerTravel()
  const summary = jimmy.page.getByRole('complementary', { name: 'Summary' })
  await expect(summary).toContainText('98.00')

  await premium.fill(`(${before}) * 2`)
  await expect(premium).not.toHaveAttribute('aria-invalid')
  await Promise.all([jimmy.isTold('Tariff changed for TRI'), save.click()])
  await expect(admin.page.getByText('Version 2. Offers')).toBeVisible()
  await jimmy.offerTravel()
  await expect(summary).toContainText('124.00')
})

test('a concurrent tariff change is reported', async ({ open }) => {
  const [one, other] = [await open(), await open()]
  for (const editor of [one, other]) {
    await editor.arrive('admin', 'admin')
    await editor.goTo('Admin')
    await editor.page.getByRole('link', { name: 'Tariff of Safe Traveller' }).click()
    await expect(editor.page.getByText('Version 1. Offers')).toBeVisible()
  }
  const save = { name: 'Save tariff' }
  await one.page.getByRole('button', save).click()
  await expect(one.page.getByText('Version 2. Offers')).toBeVisible()
  await other.page.getByRole('button', save).click()
  await other.page.getByRole('button', { name: 'Reload the tariff' }).click()
  await expect(other.page.getByText('Version 2. Offers')).toBeVisible()
})

test('an announcement reaches an offline agent at the next sign-in', async ({ open }) => {
  const admin = await open()
  await admin.arrive('admin', 'admin')
  await admin.goTo('Admin')
  const { page } = admin
  await page.getByRole('link', { name: 'Announcement' }).click()
  const send = page.getByRole('button', { name: 'Send announcement' })
  await page.getByRole('radio', { name: 'Chosen agents' }).click()
  await send.click()
  await expect(page.getByRole('textbox', { name: 'Text' })).toBeFocused()
  await expect(page.getByText('Choose at least one agent.')).toBeVisible()
  await page.getByRole('textbox', { name: 'Text' }).fill('Danny, call the office')
  await page.getByRole('checkbox', { name: /danny\.solid/ }).click()
  await send.click()
  await expect(page.getByText('Sent to 1 agent.')).toBeVisible()

  await page.getByRole('radio', { name: 'Everybody' }).click()
  await page.getByRole('textbox', { name: 'Text' }).fill('The office is closed on Friday')
  await send.click()
  await expect(page.getByText('Sent to everybody.')).toBeVisible()

  const [danny, jimmy] = [await open(), await open()]
  await Promise.all([danny.arrive('danny.solid'), jimmy.arrive('jimmy.solid')])
  await expect(danny.page.getByRole('button', { name: 'Notices, 2 unread' })).toBeVisible()
  await expect((await danny.openNotices()).getByRole('listitem')).toContainText([
    'The office is closed on Friday',
    'Danny, call the office',
  ])
  await expect((await jimmy.openNotices()).getByRole('listitem')).toContainText([
    'The office is closed on Friday',
  ])
})

test('only administrators see the administration', async ({ open }) => {
  const jimmy = await open()
  const { page } = jimmy
  await jimmy.arrive('jimmy.solid')
  await expect(page.getByRole('link', { name: 'Admin' })).toHaveCount(0)
  await page.goto(new URL('/admin/products', page.url()).href)
  await expect(page.getByRole('heading', { name: 'Page not found' })).toBeVisible()
})
