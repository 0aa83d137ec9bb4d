import { expect, test } from './fixtures'

test('an agent who was cut off by kill -9 comes back by themselves and misses nothing', async ({
  open,
  parley,
}) => {
  const [jimmy, danny] = [await open(), await open()]
  await Promise.all([jimmy.arrive('jimmy.solid'), danny.arrive('danny.solid')])
  await Promise.all([jimmy.goTo('Chat'), danny.goTo('Chat')])
  await jimmy.say('before the crash')
  await expect(danny.message('before the crash')).toBeVisible()

  await parley.kill()
  await danny.hasState('Reconnecting…')

  // What cannot be sent is kept, and says so.
  const input = danny.page.getByRole('textbox', { name: 'Message' })
  await input.fill('said into the void')
  await input.press('Enter')
  await expect(danny.page.getByRole('alert')).toContainText('No answer came')
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

  await input.press('Enter')
  await expect(input).toHaveValue('')
  await expect(danny.message('said into the void')).toHaveCount(1)
})
