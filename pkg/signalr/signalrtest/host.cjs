// Hosts official clients, here or each in a page of Chromium: commands come on
// stdin as lines of JSON, answers and events leave on stdout. The process ends
// when stdin does.
'use strict'

const readline = require('node:readline')
const drive = require('./drive.cjs')

const msgpack = '@microsoft/signalr-protocol-msgpack'

// here makes a client in this process.
function here() {
  return {
    open: (settings, tell) => {
      const protocol = settings.messagePack ? new (require(msgpack).MessagePackHubProtocol)() : undefined
      return { do: drive(require(settings.package), protocol, settings, tell), leave: () => process.exit() }
    },
    close: () => {},
  }
}

// pages makes clients in pages that share nothing.
async function pages() {
  const { chromium } = require('playwright')
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
  })
  return { open: (settings, tell) => inPage(browser, settings, tell), close: () => browser.close() }
}

async function inPage(browser, settings, tell) {
  const page = await browser.newPage()
  await page.exposeFunction('tell', tell)
  // Whatever the hub answers, the page is of its origin then, and of its network:
  // Chromium keeps a page that was put in its place from 127.0.0.1.
  await page.goto(settings.url)
  const scripts = [require.resolve(`${settings.package}/dist/browser/signalr.js`), require.resolve('./drive.cjs')]
  if (settings.messagePack)
    scripts.push(require.resolve(`${msgpack}/dist/browser/signalr-protocol-msgpack.js`))
  for (const path of scripts)
    await page.addScriptTag({ path })
  await page.evaluate((settings) => {
    const protocol = settings.messagePack ? new signalR.protocols.msgpack.MessagePackHubProtocol() : undefined
    window.client = drive(signalR, protocol, settings, window.tell)
  }, settings)
  return { do: command => page.evaluate(command => window.client(command), command), leave: () => page.close() }
}

function write(line) {
  process.stdout.write(JSON.stringify(line) + '\n')
}

const clients = new Map()

async function obey(place, command) {
  if (command.do === 'open') {
    clients.set(command.client, await place.open(command.settings, event => write({ client: command.client, ...event })))
    return { result: null }
  }
  const client = clients.get(command.client)
  if (command.do === 'leave') {
    await client.leave()
    return { result: null }
  }
  return client.do(command)
}

async function main() {
  const place = process.argv[2] === 'Chromium' ? await pages() : here()
  readline.createInterface({ input: process.stdin })
    .on('line', async (line) => {
      const command = JSON.parse(line)
      const answer = await obey(place, command).catch(error => ({ error: String(error) }))
      write({ answer: command.id, ...answer })
    })
    .on('close', async () => {
      await place.close()
      process.exit()
    })
}

main()
