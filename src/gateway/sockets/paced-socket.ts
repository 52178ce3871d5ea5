// One socket of a door whose peers authenticate before the upgrade: a peer may read slowly, fall silent, or be told to leave. Nothing is
// left out for a slow reader here; senders wait for relief, and one that never reads is closed.
import type { WebSocket } from "ws"
import type { Clock } from "../../base/clock.ts"
import { MAX_BUFFERED_BYTES, SOFT_LIMIT } from "./outbox.ts"

/** How often a door should call checkLife(). */
export const PING_MS = 54_000
const RELIEF_MS = 50
const CLOSE_MS = 1_000

export class PacedSocket {
  readonly #socket: WebSocket
  readonly #clock: Pick<Clock, "after" | "sleep">
  #alive = true
  #gone = false

  constructor(socket: WebSocket, clock: Pick<Clock, "after" | "sleep">) {
    this.#socket = socket
    this.#clock = clock
    socket.on("message", () => this.#hear())
    socket.on("pong", () => this.#hear())
    socket.on("ping", (data) => {
      this.#hear()
      if (socket.bufferedAmount < SOFT_LIMIT) socket.pong(data)
    })
    socket.on("close", () => {
      this.#gone = true
    })
  }

  get gone(): boolean {
    return this.#gone
  }

  send(text: string): void {
    const socket = this.#socket
    if (socket.readyState !== socket.OPEN) return
    if (socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      socket.close(1008, "slow consumer")
      socket.terminate()
    } else socket.send(text)
  }

  /** A promise when the peer reads slowly: it resolves when more may be sent, or when the peer is gone. */
  relief(): Promise<void> | undefined {
    return this.#socket.bufferedAmount > SOFT_LIMIT ? this.#waitForRelief() : undefined
  }

  drop(code: number, reason: string): void {
    this.#socket.close(code, reason)
    this.#clock.after(CLOSE_MS, () => this.#socket.terminate())
  }

  /** Ends a peer that has said nothing since the last call, and asks the others for a sign of life. */
  checkLife(): void {
    if (!this.#alive) this.#socket.terminate()
    this.#alive = false
    this.#socket.ping()
  }

  #hear(): void {
    this.#alive = true
  }

  async #waitForRelief(): Promise<void> {
    while (!this.#gone && this.#socket.bufferedAmount > SOFT_LIMIT) await this.#clock.sleep(RELIEF_MS)
  }
}
