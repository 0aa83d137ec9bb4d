import { expect, test } from './fixtures'

// As behind a proxy that lets no socket through, and then no stream either.
const blocked = {
  'no sockets': ['WebSocket'],
  'neither sockets nor streams': ['WebSocket', 'EventSource'],
}

for (const [what, globals] of Object.entries(blocked)) {
  test(`an agent behind a network with ${what} misses nothing`, async ({ open }) => {
    const [jimmy, danny] = [await open(), await open()]
    await danny.page.addInitScript(names => {
      for (const name of names) Reflect.deleteProperty(window, name)
    }, globals)
    await Promise.all([jimmy.arrive('jimmy.solid'), danny.arrive('danny.solid')])
    await Promise.all([jimmy.goTo('Chat'), danny.goTo('Chat')])

    await jimmy.say('can you hear me?')
    await expect(danny.message('can you hear me?')).toBeVisible()
    await danny.say('I can')
    await expect(jimmy.message('I can')).toBeVisible()
  })
}
