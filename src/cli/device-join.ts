// `pincer device join`: this machine becomes a device of another gateway, with a key and a token of its own that later commands use.
import { hostname } from "node:os"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { runningGateway } from "../config/gateway-file.ts"
import { resolvePaths } from "../config/paths.ts"
import type { GatewayClient } from "../protocol/client.ts"
import type { Cli } from "./cli.ts"
import { gatewayUrl, givenToken } from "./connect.ts"
import { scopesFrom, shortScopes } from "./device.ts"
import { connectDevice, type DeviceCredential } from "./device-connect.ts"
import { type DeviceIdentity, deviceIdentity, keepGateway } from "./device-identity.ts"
import { inertLine } from "./inert.ts"

export interface JoinFlags {
  name?: string
  scopes?: string
  default?: boolean
  wait?: boolean
  json?: boolean
}

interface Invitation {
  urls: string[]
  credential: DeviceCredential
  role?: string
}

const RETRY_MS = 2_000
/** As long as a request for approval lives. */
const PATIENCE_MS = 5 * 60_000

export async function joinGateway(cli: Cli, given: string, flags: JoinFlags): Promise<void> {
  const invitation = readInvitation(cli, given)
  const { home } = resolvePaths(cli.env, cli.flags)
  const identity = deviceIdentity(home)
  const { client, url } = await firstThatAnswers(cli, identity, invitation, flags)
  try {
    const auth = client.hello.auth ?? {}
    if (auth.deviceToken === undefined)
      throw new PincerError("INTERNAL_ERROR", `The gateway at ${url} let this machine in and gave it no token`)
    const { deviceToken: token, role = "operator", scopes = [] } = auth
    keepGateway(home, url, { token, role, scopes, joinedAtMs: Date.now() })
    const isDefault = flags.default !== false && role === "operator" && (await becomeDefault(cli, home, url))
    const answer = { joined: true, url, deviceId: identity.deviceId, role, scopes, default: isDefault }
    if (flags.json) cli.out.json(answer)
    else {
      cli.out.line(
        inertLine(`Joined ${url} as ${identity.deviceId.slice(0, 12)}: this machine may ${shortScopes(scopes)}.`),
      )
      cli.err.line(
        isDefault
          ? "Commands of this home talk to it from now on (gateway.remote.url)."
          : `Talk to it with --server ${url}`,
      )
    }
  } finally {
    client.close()
  }
}

/** A setup code, a pincer:// link, eight letters with --server, or an address with --token. */
function readInvitation(cli: Cli, given: string): Invitation {
  const text = given.trim().replace(/^pincer:\/\/join\//, "")
  const { server } = cli.flags
  if (/^[A-HJ-NP-Z2-9]{4}[\s-]?[A-HJ-NP-Z2-9]{4}$/i.test(text)) {
    if (server === undefined)
      throw new PincerError(
        "INVALID_PARAMS",
        `"${text}" does not say where the gateway is: add --server wss://its-address`,
      )
    return {
      urls: [plainUrl(server, "--server")],
      credential: { bootstrapToken: text.replace(/[\s-]/g, "").toUpperCase() },
    }
  }
  const setup = setupOf(text)
  if (setup) return { ...setup, ...(server === undefined ? {} : { urls: [plainUrl(server, "--server")] }) }
  if (!/[.:]|^localhost$/.test(text))
    throw new PincerError(
      "INVALID_PARAMS",
      `"${text.slice(0, 40)}" is neither a pairing code nor an address: make a code with "pincer device pair" at the gateway`,
    )
  const token = givenToken(cli)
  if (token === undefined)
    throw new PincerError(
      "INVALID_PARAMS",
      'To join by an address, pass the gateway\'s token with --token-file; or use a code from "pincer device pair"',
    )
  return { urls: [plainUrl(text, "address")], credential: { token } }
}

function plainUrl(text: string, what: string): string {
  return gatewayUrl(text, what).href.replace(/\/$/, "")
}

function setupOf(text: string): Invitation | undefined {
  let fields: unknown
  try {
    fields = JSON.parse(Buffer.from(text, "base64url").toString("utf8"))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  if (!isObject(fields) || typeof fields["url"] !== "string") return undefined
  const { bootstrapToken, expiresAtMs, password, role, token, url, urls } = fields
  if (typeof expiresAtMs === "number" && expiresAtMs < Date.now())
    throw new PincerError(
      "AUTH_REQUIRED",
      'This setup code has expired: get another with "pincer device pair" at the gateway',
    )
  const secret = typeof token === "string" ? token : password
  const credential =
    typeof bootstrapToken === "string" ? { bootstrapToken } : typeof secret === "string" ? { token: secret } : undefined
  if (!credential) return undefined
  const all = Array.isArray(urls) ? urls.filter((one) => typeof one === "string") : []
  const addresses = [...new Set([url, ...all])].map((one) => plainUrl(one, "the setup code"))
  return { urls: addresses, credential, ...(typeof role === "string" ? { role } : {}) }
}

/** Several addresses are tried in turn; a refusal of one that answered is the answer. */
async function firstThatAnswers(
  cli: Cli,
  identity: DeviceIdentity,
  invitation: Invitation,
  flags: JoinFlags,
): Promise<{ client: GatewayClient; url: string }> {
  let last: unknown
  for (const url of invitation.urls) {
    try {
      return { client: await enter(cli, url, identity, invitation, flags), url }
    } catch (error) {
      if (!(error instanceof PincerError) || (error.code !== "UNAVAILABLE" && error.code !== "TIMEOUT")) throw error
      last = error
    }
  }
  throw last
}

async function enter(
  cli: Cli,
  url: string,
  identity: DeviceIdentity,
  { credential, role }: Invitation,
  flags: JoinFlags,
): Promise<GatewayClient> {
  if (url.startsWith("wss:")) (await import("./certificate.ts")).trustCaFile(cli)
  const wished = flags.scopes === undefined ? undefined : scopesFrom(flags.scopes, "--scopes")
  // The owner's token gives what is asked for, a code what it was made for.
  const scopes = wished ?? (credential.token === undefined ? undefined : scopesFrom("read,write,approvals", "--scopes"))
  const options = {
    displayName: flags.name ?? hostname(),
    ...(role === undefined ? {} : { role }),
    ...(scopes === undefined ? {} : { scopes }),
  }
  const until = Date.now() + PATIENCE_MS
  let asked = false
  for (;;) {
    try {
      return await connectDevice(cli, url, identity, credential, options)
    } catch (error) {
      if (!(error instanceof PincerError) || error.code !== "NOT_PAIRED" || flags.wait === false || Date.now() > until)
        throw error
      const id = error.details?.["requestId"]
      if (!asked) cli.err.line(inertLine(`Somebody at the gateway has to agree: pincer device approve ${String(id)}`))
      asked = true
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}

/** Unless this home has a gateway of its own, or one that was set before. */
async function becomeDefault(cli: Cli, home: string, url: string): Promise<boolean> {
  if (runningGateway(home)) return false
  const { loadConfig } = await import("../config/load.ts")
  const { config } = loadConfig({ env: cli.env, flags: cli.flags })
  if (config.gateway.remote.url !== undefined) return config.gateway.remote.url === url
  const { server, token, tokenFile, ...flags } = cli.flags
  const { openDoor } = await import("./config-door.ts")
  const door = await openDoor({ ...cli, flags })
  try {
    await door.change({ type: "set", key: "gateway.remote.url", value: url })
  } finally {
    await door.close()
  }
  return true
}
