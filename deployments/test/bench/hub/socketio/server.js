// Serves one room of Socket.IO over WebSocket alone, and sends what it is told to
// everybody in it. The port is said in the first line.
import { createServer } from "node:http"
import { Server } from "socket.io"

const http = createServer()
const io = new Server(http, { transports: ["websocket"], serveClient: false })
io.on("connection", (socket) => {
  socket.join("everybody")
  socket.on("send", (text) => io.to("everybody").emit("receive", text))
})
http.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => console.log(`127.0.0.1:${http.address().port}`))
process.stdin.resume().on("end", () => process.exit()) // whoever started it has gone
