// Drives one official client by commands, in Node and in a page alike. What is
// answered and told are values of JSON.
'use strict'

function drive(signalR, protocol, settings, tell) {
  let token = settings.token
  const connection = build()

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
    if (settings.tokenPerRequest)
      options.httpClient = tokenPerRequest()
    let builder = new signalR.HubConnectionBuilder()
      .withUrl(settings.url, options)
      .configureLogging(signalR.LogLevel.None)
    if (protocol)
      builder = builder.withHubProtocol(protocol)
    if (settings.reconnectDelays)
      builder = builder.withAutomaticReconnect(settings.reconnectDelays)

    const connection = builder.build()
    connection.onclose(error => tell({ event: 'closed', error: textOf(error) }))
    if (connection.onreconnecting) { // since 3.0
      connection.onreconnecting(error => tell({ event: 'reconnecting', error: textOf(error) }))
      connection.onreconnected(() => tell({ event: 'reconnected' }))
    }
    return connection
  }

  // tokenPerRequest is the client's own way to send requests, with today's token.
  function tokenPerRequest() {
    const client = new signalR.DefaultHttpClient(signalR.NullLogger.instance)
    const send = client.send.bind(client)
    client.send = request =>
      send({ ...request, headers: { ...request.headers, Authorization: `Bearer ${token}` } })
    return client
  }

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
    on: ({ target }) => connection.on(target, (...args) => { tell({ event: 'call', target, args }) }),
    connect: () => connection.start(),
    invoke: ({ target, args }) => connection.invoke(target, ...args),
    send: ({ target, args }) => connection.send(target, ...args),
    stream: ({ target, args, most }) => collect(connection.stream(target, ...args), most),
    upload: ({ target, items, args }) => upload(target, items, args),
    reply: ({ target, args }) => connection.on(target, () => args[0]),
    stop: () => connection.stop(),
    token: (command) => { token = command.token },
  }

  return async (command) => {
    try {
      const result = await commands[command.do](command)
      return { result: result === undefined ? null : result }
    }
    catch (error) {
      return { error: textOf(error) || 'unknown error' }
    }
  }
}

if (typeof module === 'object')
  module.exports = drive
