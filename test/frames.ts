// A control-plane client that knows nothing: it sends what it is told and keeps every frame that comes, for tests of the wire itself.
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import { type ClientOptions, WebSocket } from "ws"

export interface Frame {
  type: string
  id?: string
  ok?: boolean
  event?: string
  seq?: number
  stateVersion?: { presence: number; health: number }
  payload?: Json
  error?: {
    code: string
    message: string
    details?: Record<string, unknown>
    retryable?: boolean
    retryAfterMs?: number
  }
}

/** A JSON object that a test looks into. */
export interface Json {
  [key: string]: Json
}

export interface Raw {
  socket: WebSocket
  /** Every frame so far. */
  frames: Frame[]
  closed: Promise<{ code: number; reason: string }>
  send(frame: unknown): void
  /** The first frame, past or to come, that fits. */
  until(fits: (frame: Frame) => boolean): Promise<Frame>
  /** Sends a request and gives the first response to it. */
  ask(method: string, params?: unknown): Promise<Frame>
  challenge(): Promise<{ nonce: string; ts: number }>
}

let nextId = 0

/** Connects. Rejects when the upgrade is refused, naming the status. */
export async function openRaw(url: string, options: ClientOptions = {}): Promise<Raw> {
  const socket = new WebSocket(url, options)
  const frames: Frame[] = []
  const waiting = new Set<() => void>()
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once("close", (code, reason) => {
      resolve({ code, reason: String(reason) })
      for (const look of waiting) look()
    }),
  )
  socket.on("message", (data) => {
    frames.push(JSON.parse(String(data)) as Frame)
    for (const look of waiting) look()
  })
  await new Promise<void>((resolve, reject) => {
    socket.once("open", () => resolve())
    socket.once("error", reject)
  })
  socket.on("error", () => undefined)
  const send = (frame: unknown) => socket.send(typeof frame === "string" ? frame : JSON.stringify(frame))
  const until = (fits: (frame: Frame) => boolean) =>
    new Promise<Frame>((resolve, reject) => {
      const look = () => {
        const found = frames.find(fits)
        if (found) resolve(found)
        else if (socket.readyState === WebSocket.CLOSED)
          reject(new Error("The connection closed before that frame came"))
        else return
        waiting.delete(look)
      }
      waiting.add(look)
      look()
    })
  return {
    socket,
    frames,
    closed,
    send,
    until,
    ask(method, params) {
      nextId += 1
      const id = `r${nextId}`
      send({ type: "req", id, method, ...(params === undefined ? {} : { params }) })
      return until((frame) => frame.type === "res" && frame.id === id)
    },
    async challenge() {
      const { payload } = await until((frame) => frame.event === "connect.challenge")
      return payload as unknown as { nonce: string; ts: number }
    },
  }
}

export const CLI = { id: "cli", version: "0.0.1", platform: "linux", mode: "cli" } as const

/** Params of connect as protocol 3 and 4 clients send them. */
export function clawConnect(protocol: 3 | 4, token: string, more: Record<string, unknown> = {}) {
  return {
    minProtocol: protocol,
    maxProtocol: protocol,
    client: CLI,
    role: "operator",
    scopes: ["operator.admin"],
    caps: [],
    auth: { token },
    ...more,
  }
}

export interface DeviceKey {
  id: string
  publicKey: string
  privateKey: KeyObject
}

export function makeDevice(): DeviceKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519")
  const raw = publicKey.export({ type: "spki", format: "der" }).subarray(-32)
  return { id: createHash("sha256").update(raw).digest("hex"), publicKey: raw.toString("base64url"), privateKey }
}

/** `connect` params with a device that signs them, in version 1, 2 or 3 of the signed string (protocol §3.2). */
export function signed(
  version: 1 | 2 | 3,
  device: DeviceKey,
  params: Omit<ReturnType<typeof clawConnect>, "auth" | "client"> & {
    client: { id: string; mode: string; platform: string }
    auth: { token?: string; deviceToken?: string; bootstrapToken?: string }
  },
  challenge: { nonce: string; ts: number },
) {
  const { client, role, scopes, auth } = params
  const signedAt = challenge.ts
  const token = auth.token ?? auth.deviceToken ?? auth.bootstrapToken ?? ""
  const fields = [device.id, client.id, client.mode, role, scopes.join(","), signedAt, token]
  if (version > 1) fields.push(challenge.nonce)
  if (version > 2) fields.push(client.platform.trim().toLowerCase(), "")
  const signature = sign(null, Buffer.from([`v${version}`, ...fields].join("|")), device.privateKey)
  const nonce = version > 1 ? { nonce: challenge.nonce } : {}
  const claim = {
    id: device.id,
    publicKey: device.publicKey,
    signature: signature.toString("base64url"),
    signedAt,
    ...nonce,
  }
  return { ...params, device: claim }
}
