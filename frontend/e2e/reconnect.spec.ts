import { expect, test } from './fixtures'

test('an agent reconnects after kill -9 and misses nothing', async ({ open, parley }) => {
  const [jimmy, danny] = [await open(), await open()]
  await Promise.all([jimmy.arrive('jimmy.solid'), danny.arrive('danny.solid')])
  await Promise.all([jimmy.goTo('Chat'), danny.goTo('Chat')])
  await jimmy.say('before the crash')
  await expect(danny.message('before the crash')).toBeVisible()

  await parley.kill()
  await danny.hasState('Reconnecting…')

  // What cannot be sent is kept, says so, and is sent when the connection is back.
  const input = danny.page.getByRole('textbox', { name: 'Message' })
  await input.fill('said into the void')
  await input.press('Enter')
  await expect(danny.page.getByRole('alert')).toContainText('when the connection is back')
  await expect(input).toHaveValue('said into the void')

  await danny.page.context().setOffline(true)
  await parley.run()
  await jimmy.isConnected()
  await jimmy.say('while danny was away')
  await jimmy.offerTravel()
  await jimmy.buy()
  await danny.hasState('Reconnecting…')

  await danny.page.context().setOffline(false)
  await danny.isConnected()
  await expect(danny.message('while danny was away')).toHaveCount(1)
  await expect(danny.message('before the crash')).toHaveCount(1)
  const notices = await danny.openNotices()
  await expect(notices.getByRole('listitem')).toHaveCount(1)
  await expect(notices).toContainText('jimmy.solid just sold policy for TRI!!!')
  await danny.page.keyboard.press('Escape')

  await expect(input).toHaveValue('')
  await jimmy.goTo('Chat')
  for (const agent of [danny, jimmy])
    await expect(agent.message('said into the void')).toHaveCount(1)
})

test('after a database restore every agent sees the restored log', async ({ open, parley }) => {
  const [jimmy, danny] = [await open(), await open()]
  await Promise.all([jimmy.arrive('jimmy.solid'), danny.arrive('danny.solid')])
  await Promise.all([jimmy.goTo('Chat'), danny.goTo('Chat')])
  await jimmy.say('said before the copy')
  await expect(danny.message('said before the copy')).toBeVisible()

  await parley.kill()
  await parley.save()
  await parley.run()
  await Promise.all([jimmy.isConnected(), danny.isConnected()])
  for (const text of ['said after the copy', 'and more']) await jimmy.say(text)
  await expect(danny.message('and more')).toBeVisible()

  await parley.kill()
  await parley.putBack()
  await parley.run()
  for (const agent of [jimmy, danny]) {
    await agent.isConnected()
    await expect(agent.message('said after the copy')).toBeHidden()
    await expect(agent.message('and more')).toBeHidden()
    await expect(agent.message('said before the copy')).toHaveCount(1)
  }
  await danny.say('said in its place')
  for (const agent of [jimmy, danny])
    await expect(agent.message('said in its place')).toHaveCount(1)
})

test('a window loads all pages, and another device counts them as read', async ({ open }) => {
  const [desk, phone, danny] = [await open(), await open(), await open()]
  await danny.arrive('danny.solid')
  await danny.goTo('Chat')
  for (let n = 1; n <= 70; n++) await danny.say(`message ${n}`)

  await Promise.all([desk.arrive('jimmy.solid'), phone.arrive('jimmy.solid')])
  for (const { page } of [desk, phone])
    await expect(page.getByRole('link', { name: 'Chat, 70 unread' })).toBeVisible()
  await desk.goTo('Chat')
  await expect(phone.page.getByRole('link', { name: 'Chat', exact: true })).toBeVisible()

  await expect(desk.message('message 70')).toBeInViewport()
  await expect(desk.message('message 1')).toBeHidden()
  await desk.page.getByRole('log', { name: 'Messages' }).hover()
  await expect(async () => {
    await desk.page.mouse.wheel(0, -4_000)
    await expect(desk.message('message 1')).toBeInViewport({ timeout: 500 })
  }).toPass()
  await expect(desk.page.getByRole('log').getByText(/^message \d+$/)).toHaveCount(70)
})
