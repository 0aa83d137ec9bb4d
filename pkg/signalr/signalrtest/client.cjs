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
  if (settings.transport)
    options.transport = signalR.HttpTransportType[settings.transport]
  if (settings.skipNegotiation) {
    options.skipNegotiation = true
    options.transport = signalR.HttpTransportType.WebSockets
  }
  let builder = new signalR.HubConnectionBuilder()
    .withUrl(settings.url, options)
    .configureLogging(signalR.LogLevel.None)
  if (settings.messagePack)
    builder = builder.withHubProtocol(new (require('@microsoft/signalr-protocol-msgpack').MessagePackHubProtocol)())
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

// collect gives all items of a stream, after so many its first ones.
function collect(stream, most) {
  return new Promise((resolve, reject) => {
    const items = []
    const subscription = stream.subscribe({
      next: (item) => {
        items.push(item)
        if (items.length === most) {
          subscription.dispose()
          resolve(items)
        }
      },
      error: reject,
      complete: () => resolve(items),
    })
  })
}

// upload invokes a method with a stream of items.
function upload(target, items, args) {
  const subject = new signalR.Subject()
  const result = connection.invoke(target, ...args, subject)
  for (const item of items)
    subject.next(item)
  subject.complete()
  return result
}

const commands = {
  on: ({ target }) => connection.on(target, (...args) => write({ event: 'call', target, args })),
  connect: () => connection.start(),
  invoke: ({ target, args }) => connection.invoke(target, ...args),
  send: ({ target, args }) => connection.send(target, ...args),
  stream: ({ target, args, most }) => collect(connection.stream(target, ...args), most),
  upload: ({ target, items, args }) => upload(target, items, args),
  reply: ({ target, args }) => connection.on(target, () => args[0]),
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
