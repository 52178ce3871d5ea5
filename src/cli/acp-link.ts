// The bridge's way to its gateway: opened once in the background, waited for by whoever asks first. When it is lost it is looked for
// again; the gateway of this machine is started again if it has died.
import { asPincerError, PincerError } from "../base/errors.ts"
import type { GatewayClient, RequestOptions } from "../protocol/client.ts"
import { after } from "../protocol/link.ts"

type Listener = (frame: { payload?: unknown }) => void

export interface OpenLink {
  client: GatewayClient
  close(): Promise<void>
}

/** How long a lost gateway may come back by itself before it is looked for anew, and between such tries. */
const LOOK_MS = 1_500
const FRAME_LIMIT = 25 * 1024 * 1024

export class GatewayLink {
  readonly #open: () => Promise<OpenLink>
  readonly #mayReopen: boolean
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #end = Promise.withResolvers<PincerError>()
  #opened: Promise<OpenLink>
  #stopLooking: (() => void) | undefined
  #closed: PincerError | undefined

  /** `mayReopen`: `open` finds, or starts, the gateway of this machine; else only the same address is tried again. */
  constructor(open: () => Promise<OpenLink>, mayReopen: boolean) {
    this.#open = open
    this.#mayReopen = mayReopen
    this.#opened = this.#connect()
    // Told to whoever waits; `opened` tells the rest.
    this.#opened.catch(() => undefined)
  }

  /** Rejects when there is no gateway to begin with. */
  get opened(): Promise<unknown> {
    return this.#opened
  }

  get closed(): Promise<PincerError> {
    return this.#end.promise
  }

  get maxRequestBytes(): number {
    return FRAME_LIMIT
  }

  on(event: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners.add(listener))
    return () => void listeners.delete(listener)
  }

  async request<T = unknown>(method: string, params?: Record<string, unknown>, options?: RequestOptions): Promise<T> {
    for (;;) {
      if (this.#closed) throw this.#closed
      const used = this.#opened
      try {
        return await (await used).client.request<T>(method, params, options)
      } catch (error) {
        // It waited for a connection that another one has replaced.
        const replaced = error instanceof PincerError && error.code === "UNAVAILABLE" && used !== this.#opened
        if (!replaced) throw error
      }
    }
  }

  async close(): Promise<void> {
    this.#closed ??= new PincerError("UNAVAILABLE", "The bridge is ending", { retryable: false })
    this.#stopLooking?.()
    this.#end.resolve(this.#closed)
    try {
      await (await this.#opened).close()
    } catch (error) {
      // It was never open.
      if (!(error instanceof PincerError)) throw error
    }
  }

  async #connect(): Promise<OpenLink> {
    const opened = await this.#open()
    if (this.#closed) {
      await opened.close()
      throw this.#closed
    }
    const { client } = opened
    client.on("*", (frame) => {
      if (frame.event === "connection.lost") this.#lost()
      if (frame.event === "connection.restored") this.#stopLooking?.()
      this.#tell(frame.event, frame.payload)
    })
    void client.closed.then((reason) => this.#gone(opened, reason))
    return opened
  }

  #tell(event: string, payload: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener({ payload })
  }

  #lost(): void {
    this.#stopLooking?.()
    if (this.#mayReopen && !this.#closed) this.#stopLooking = after(LOOK_MS, () => void this.#look())
  }

  /** Its own tries are over. */
  async #gone(opened: OpenLink, reason: PincerError): Promise<void> {
    if (this.#closed || (await this.#opened) !== opened) return
    this.#tell("connection.lost", { message: reason.message })
    if (this.#mayReopen) await this.#look()
    else {
      this.#closed = reason
      this.#end.resolve(reason)
    }
  }

  async #look(): Promise<void> {
    const before = await this.#opened
    try {
      const found = await this.#connect()
      this.#opened = Promise.resolve(found)
      before.client.close()
      this.#tell("connection.restored", { resumed: false })
    } catch (error) {
      if (this.#closed) return
      this.#tell("connection.missing", { message: asPincerError(error).message })
      this.#stopLooking = after(LOOK_MS, () => void this.#look())
    }
  }
}
