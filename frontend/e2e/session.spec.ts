import { expect, test } from './fixtures'

test('a wrong password is refused like an unknown login', async ({ open }) => {
  const { page } = await open()
  await expect(page).toHaveURL(/\/sign-in$/)
  await expect(page).toHaveTitle('Sign in · Parley')

  await page.getByLabel('Login').fill('jimmy.solid')
  await page.getByLabel('Password').fill('wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  const refusal = page.getByRole('alert')
  await expect(refusal).not.toBeEmpty()
  const words = await refusal.innerText()

  await page.getByLabel('Login').fill('nobody')
  await page.getByLabel('Password').fill('wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByLabel('Password')).toHaveValue('')
  await expect(refusal).toHaveText(words)
})

test('a page without a session sends no refresh', async ({ open }) => {
  const { page } = await open()
  const asked: string[] = []
  page.on('request', request => asked.push(new URL(request.url()).pathname))
  await page.reload()
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible()
  expect(asked.filter(path => path.startsWith('/api/'))).toEqual([])
})

test('a session survives a reload, and a sign-out reaches every window', async ({ open }) => {
  const jimmy = await open()
  const { page } = jimmy
  await jimmy.arrive('jimmy.solid')
  await page.reload()
  await jimmy.isConnected()

  const other = await page.context().newPage()
  await other.goto(new URL('/policies', page.url()).href)
  await expect(other.getByRole('heading', { name: 'Policies', level: 1 })).toBeVisible()

  await page.getByRole('button', { name: /^Account/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  for (const window of [page, other]) {
    await expect(window).toHaveURL(/\/sign-in/)
    await expect(window.getByText('Signed out', { exact: true })).toBeVisible()
  }
  await page.reload()
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible()
  await page.goto(new URL('/chat', page.url()).href)
  await expect(page).toHaveURL(/\/sign-in\?next=/)
})

test('a sign-in leads to the requested page', async ({ open }) => {
  const { page } = await open()
  await page.goto(new URL('/chat', page.url()).href)
  await page.getByLabel('Login').fill('jimmy.solid')
  await page.getByLabel('Password').fill('secret')
  await page.getByLabel('Password').press('Enter')
  await expect(page.getByRole('heading', { name: 'Chat', level: 1 })).toBeVisible()
  await expect(page).toHaveURL(/\/chat$/)
})
