import { expect, test } from './fixtures'

test('a sale and a termination reach another agent at once', async ({ open }) => {
  const [jimmy, danny] = [await open(), await open()]
  await Promise.all([jimmy.arrive('jimmy.solid'), danny.arrive('danny.solid')])

  await jimmy.offerTravel()
  const summary = jimmy.page.getByRole('complementary', { name: 'Summary' })
  await expect(summary).toContainText('98.00')
  for (const price of ['26.00', '52.00', '20.00']) await expect(summary).toContainText(price)
  const sold = 'jimmy.solid just sold policy for TRI!!!'
  const [number] = await Promise.all([jimmy.buy(), danny.isTold(sold)])
  await expect(danny.page.getByRole('button', { name: 'Notices, 1 unread' })).toBeVisible()

  await jimmy.goTo('Policies')
  await expect(jimmy.page).toHaveTitle('Policies · Parley')
  const row = jimmy.page.getByRole('row', { name: new RegExp(number) })
  await expect(row).toContainText('Anna Kowalska')
  await expect(row).toContainText('98.00')
  await expect(row).toContainText('Active')

  await row.getByRole('link').click()
  await jimmy.page.getByRole('button', { name: 'Terminate…' }).click()
  const ended = `jimmy.solid terminated policy ${number} (TRI)`
  await Promise.all([
    danny.isTold(ended),
    jimmy.page.getByRole('button', { name: 'Terminate', exact: true }).click(),
  ])
  await expect(jimmy.page.getByText(/Money to return: \d+\.\d\d/)).toBeVisible()
  await expect(jimmy.page.getByRole('definition').filter({ hasText: 'Terminated' })).toBeVisible()
  await expect(jimmy.page.getByText('Returned', { exact: true })).toBeVisible()
  await expect(jimmy.page.getByRole('button', { name: 'Terminate…' })).toBeHidden()

  // Who did it needs no telling.
  await expect(jimmy.page.getByText(ended)).toBeHidden()
  await expect(jimmy.page.getByRole('button', { name: 'Notices', exact: true })).toBeVisible()
  await expect(danny.page.getByRole('button', { name: 'Notices, 2 unread' })).toBeVisible()

  const notices = await danny.openNotices()
  await expect(notices.getByRole('listitem')).toHaveText([
    new RegExp(`^${escaped(ended)}`),
    new RegExp(`^${sold}`),
  ])
  await danny.page.keyboard.press('Escape')
  await expect(danny.page.getByRole('button', { name: 'Notices', exact: true })).toBeVisible()

  // What was read stays read, and nothing is there twice.
  await danny.page.reload()
  await danny.isConnected()
  await expect(danny.page.getByRole('button', { name: 'Notices', exact: true })).toBeVisible()
  await expect((await danny.openNotices()).getByRole('listitem')).toHaveCount(2)
})

test('messages reach other agents and stay text', async ({ open }) => {
  const [jimmy, danny] = [await open(), await open()]
  await jimmy.arrive('jimmy.solid')
  await jimmy.goTo('Chat')
  await danny.arrive('danny.solid')
  await expect(jimmy.message('danny.solid join chat')).toBeVisible()

  const text = `<script>document.title = 'owned'</script> <b>bold</b> <img src=x onerror="document.title='owned'">`
  await jimmy.say(text)
  await expect(jimmy.message(text)).toBeVisible()
  await expect(danny.page.getByRole('link', { name: 'Chat, 1 unread' })).toBeVisible()
  await danny.goTo('Chat')
  await expect(danny.message(text)).toBeVisible()
  await danny.say('Hello Jimmy,\nall well?')
  await expect(jimmy.message('Hello Jimmy,\nall well?')).toHaveCount(1)

  // The page tells what an answer answers.
  const hello = jimmy.page.getByRole('button', { name: 'Reply to danny.solid' })
  await hello.focus()
  await hello.press('Enter')
  await expect(jimmy.page.getByText('Reply to danny.solid', { exact: true })).toBeVisible()
  await jimmy.say('All well')
  await expect(jimmy.page.getByText('Reply to danny.solid', { exact: true })).toBeHidden()
  await expect(danny.message('All well')).toBeVisible()
  await expect(danny.page.getByText('In reply to danny.solid')).toBeVisible()

  for (const { page } of [jimmy, danny]) {
    await expect(page).toHaveTitle('Chat · Parley')
    await expect(page.getByRole('log').locator('b, script, img[src=x]')).toHaveCount(0)
  }

  // The log shows the same, once and in the same order.
  await jimmy.page.reload()
  await expect(jimmy.message('Hello Jimmy,\nall well?')).toHaveCount(1)
  await expect(jimmy.message(text)).toHaveCount(1)
})

const escaped = (text: string) => text.replace(/[()]/g, '\\$&')
