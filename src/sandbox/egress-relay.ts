// Two connections as one: bytes go both ways with backpressure, the end of one direction leaves the other open, and a break, an error
// or too long a silence on either side ends both.
import type { Socket } from "node:net"

export function relay(one: Socket, other: Socket, idleMs: number): void {
  tie(one, other, idleMs)
  tie(other, one, idleMs)
  one.pipe(other)
  other.pipe(one)
}

function tie(one: Socket, other: Socket, idleMs: number): void {
  one.setTimeout(idleMs, () => one.destroy())
  one.on("error", () => other.destroy())
  one.on("close", () => {
    // Ended in order: what it said is still being handed over.
    if (!one.readableEnded) other.destroy()
    else if (!one.writableFinished) other.destroy()
  })
}
