// Connecting as the device that this home is: by a token that the gateway gave it, or by a code or the owner's token to get one.
import { PincerError } from "../base/errors.ts"
import { connectGateway, type GatewayClient } from "../protocol/client.ts"
import type { Cli } from "./cli.ts"
import { type DeviceIdentity, deviceClaim } from "./device-identity.ts"

export interface DeviceCredential {
  /** The owner's secret. */
  token?: string
  deviceToken?: string
  bootstrapToken?: string
}

export interface DeviceConnectOptions {
  role?: string
  /** Default: whatever the credential gives. */
  scopes?: readonly string[]
  displayName?: string
  caps?: readonly string[]
  connectTimeoutMs?: number
  reconnect?: Parameters<typeof connectGateway>[0]["reconnect"]
}

/** Throws NOT_PAIRED where somebody has to approve first, AUTH_REQUIRED where the credential opens nothing. */
export async function connectDevice(
  cli: Cli,
  url: string,
  identity: DeviceIdentity,
  credential: DeviceCredential,
  options: DeviceConnectOptions = {},
): Promise<GatewayClient> {
  const { WebSocket } = await import("ws")
  const { role = "operator", scopes } = options
  const client = { id: "cli", version: cli.version, platform: process.platform, mode: "cli" }
  const { token, deviceToken, bootstrapToken } = credential
  const secret = token ?? deviceToken ?? bootstrapToken ?? ""
  const signed = {
    clientId: client.id,
    clientMode: client.mode,
    role,
    scopes: scopes ?? [],
    token: secret,
    platform: client.platform,
  }
  return connectGateway({
    url,
    client: { ...client, ...(options.displayName === undefined ? {} : { displayName: options.displayName }) },
    auth: { ...credential },
    role,
    scopes: scopes ?? null,
    caps: options.caps ?? [],
    device: async (nonce) => deviceClaim(identity, signed, nonce),
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    ...(options.reconnect === undefined ? {} : { reconnect: options.reconnect }),
    WebSocket,
  })
}

/** What a refusal of a device that was let in before means. */
export function deviceRefusal(error: unknown, url: string): unknown {
  if (!(error instanceof PincerError) || error.code !== "AUTH_REQUIRED") return error
  return new PincerError(
    "AUTH_REQUIRED",
    `The gateway at ${url} no longer knows this machine: get a new code there with "pincer device pair" and run "pincer device join <code>"`,
    { cause: error, ...(error.details ? { details: error.details } : {}) },
  )
}
