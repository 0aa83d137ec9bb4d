// Drives an official client by lines of JSON: commands come on stdin, answers
// and events leave on stdout. The process ends when stdin does.
'use strict'

const readline = require('node:readline')

const settings = JSON.parse(process.argv[2])
const signalR = require(settings.package)

let token = settings.token

function write(line) {
  process.stdout.write(JSON.stringify(line) + '\n')
}

function textOf(error) {
  return error ? String(error.message || error) : ''
}

function build() {
  const options = { logger: signalR.LogLevel.None, accessTokenFactory: () => token }
  if (settings.skipNegotiation) {
    options.skipNegotiation = true
    options.transport = signalR.HttpTransportType.WebSockets
  }
  let builder = new signalR.HubConnectionBuilder()
    .withUrl(settings.url, options)
    .configureLogging(signalR.LogLevel.None)
  if (settings.reconnectDelays)
    builder = builder.withAutomaticReconnect(settings.reconnectDelays)

  const connection = builder.build()
  connection.onclose(error => write({ event: 'closed', error: textOf(error) }))
  if (connection.onreconnecting) { // since 3.0
    connection.onreconnecting(error => write({ event: 'reconnecting', error: textOf(error) }))
    connection.onreconnected(() => write({ event: 'reconnected' }))
  }
  return connection
}

const connection = build()

const commands = {
  on: ({ target }) => connection.on(target, (...args) => write({ event: 'call', target, args })),
  connect: () => connection.start(),
  invoke: ({ target, args }) => connection.invoke(target, ...args),
  send: ({ target, args }) => connection.send(target, ...args),
  stop: () => connection.stop(),
  token: (command) => { token = command.token },
}

readline.createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const command = JSON.parse(line)
    try {
      const result = await commands[command.do](command)
      write({ answer: command.id, result: result === undefined ? null : result })
    }
    catch (error) {
      write({ answer: command.id, error: textOf(error) || 'unknown error' })
    }
  })
  .on('close', () => process.exit())
