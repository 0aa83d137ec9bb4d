// Serves one room of Socket.IO, over WebSocket only, and broadcasts received texts
// to the room. The first line of output is the address.
import { createServer } from "node:http"
import { Server } from "socket.io"

const http = createServer()
const io = new Server(http, { transports: ["websocket"], serveClient: false })
io.on("connection", (socket) => {
  socket.join("everybody")
  socket.on("send", (text) => io.to("everybody").emit("receive", text))
})
http.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => console.log(`127.0.0.1:${http.address().port}`))
process.stdin.resume().on("end", () => process.exit()) // the parent has exited
