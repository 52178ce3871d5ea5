// A TCP relay in front of a gateway, so that a test can cut connections and refuse new ones for a while.
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"

export interface CutRelay {
  port: number
  /** Cuts all connections; with `refuse`, new ones are cut at once until allow() is called. */
  cut(refuse?: boolean): void
  allow(): void
  close(): Promise<void>
}

export async function startRelay(targetPort: number): Promise<CutRelay> {
  const sockets = new Set<Socket>()
  let refusing = false
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
    socket.on("close", () => sockets.delete(socket))
  }
  const server = createServer((near) => {
    keep(near)
    if (refusing) {
      near.destroy()
      return
    }
    const far = connect(targetPort, "127.0.0.1")
    keep(far)
    near.pipe(far).pipe(near)
    near.on("close", () => far.destroy())
    far.on("close", () => near.destroy())
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const cut = (refuse = false) => {
    refusing = refuse
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    allow() {
      refusing = false
    },
    async close() {
      cut(true)
      server.close()
      await once(server, "close")
    },
  }
}
