// The baseline of the control plane: a bare `ws` server that parses each JSON request and answers it with as large a payload as
// the gateway's health answer.
import { WebSocketServer } from "ws"

const size = Number(process.argv[2] ?? 1000)
const payload = { text: "x".repeat(size) }
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false }, () => {
  const address = server.address()
  if (typeof address === "object" && address) process.stdout.write(`ws://127.0.0.1:${address.port}\n`)
})
server.on("connection", (socket) => {
  socket.send(JSON.stringify({ type: "event", event: "connect.challenge" }))
  socket.on("message", (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as { id: string }
    socket.send(JSON.stringify({ type: "res", id: frame.id, ok: true, payload }))
  })
})
