// The floor under one event to many: a bare `ws` server that lets everybody in, and sends a frame of the size it is told to all but the asker.
// Prints its URL.
import type { AddressInfo } from "node:net"
import WebSocket, { WebSocketServer } from "ws"

const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false })
server.on("connection", (socket) => {
  socket.on("message", (data: Buffer) => {
    const { id, method, params } = JSON.parse(data.toString()) as {
      id: string
      method: string
      params: { label?: string }
    }
    if (method !== "connect") {
      const event = `{"type":"event","event":"bench","payload":"${"x".repeat(150)}${params.label}","seq":1}`
      for (const other of server.clients) if (other !== socket && other.readyState === WebSocket.OPEN) other.send(event)
    }
    socket.send(JSON.stringify({ type: "res", id, ok: true, payload: {} }))
  })
  socket.send(JSON.stringify({ type: "event", event: "connect.challenge", payload: { nonce: "n", ts: 1 } }))
})
server.on("listening", () => process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`))
