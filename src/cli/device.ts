// `pincer device list|approve|reject|remove|rename|rotate|revoke|scopes`: who may connect to this gateway, and as what.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { GatewayClient } from "../protocol/client.ts"
import { ALL_SCOPES, type Scope } from "../protocol/frame.ts"
import { idFor } from "./approvals.ts"
import type { Cli } from "./cli.ts"
import { inertLine } from "./inert.ts"
import { withGateway } from "./one-call.ts"
import { duration } from "./status.ts"

export type DeviceFields = Record<string, unknown>

export interface DeviceFlags {
  json?: boolean
  role?: string
}

export async function ask(client: GatewayClient, method: string, params: DeviceFields): Promise<DeviceFields> {
  const answer: unknown = await client.request(method, params)
  if (isObject(answer)) return answer
  throw new PincerError("INTERNAL_ERROR", `The gateway's answer to ${method} is not understood`)
}

interface Listing {
  pending: DeviceFields[]
  paired: DeviceFields[]
  codes: DeviceFields[]
}

async function listing(client: GatewayClient): Promise<Listing> {
  const answer = await ask(client, "device.pair.list", {})
  const rows = (name: string) => (Array.isArray(answer[name]) ? answer[name].filter(isObject) : [])
  return { pending: rows("pending"), paired: rows("paired"), codes: rows("codes") }
}

export function nameOf(row: DeviceFields): string {
  const names = [row["label"], row["displayName"], row["name"], row["clientId"]]
  return String(names.find((one) => typeof one === "string" && one !== "") ?? "")
}

/** "operator.read", … as "read, …". */
export function shortScopes(value: unknown): string {
  const scopes = Array.isArray(value) ? value.map((one) => String(one).replace(/^operator\./, "")) : []
  return scopes.length === 0 ? "-" : scopes.join(", ")
}

/** Words like read, operator.write and all, separated by commas. */
export function scopesFrom(text: string, what: string): Scope[] {
  const words = text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "")
  return words.flatMap((word) => {
    if (word === "all") return [...ALL_SCOPES]
    if (word === "none") return []
    const scope = ALL_SCOPES.find((one) => one === word || one === `operator.${word}`)
    if (scope) return [scope]
    const known = ALL_SCOPES.map((one) => one.replace("operator.", "")).join(", ")
    throw new PincerError("INVALID_PARAMS", `${what}: "${word}" is not one of ${known}, all, none`)
  })
}

export async function listDevices(cli: Cli, flags: DeviceFlags): Promise<void> {
  const found = await withGateway(cli, listing)
  if (flags.json) {
    cli.out.json(found)
    return
  }
  const { err, out } = cli
  const { codes, paired, pending } = found
  if (pending.length + paired.length + codes.length === 0) {
    err.line('No device has been paired: run "pincer device pair" for a code.')
    return
  }
  const now = Date.now()
  const left = (row: DeviceFields) => duration(Math.max(0, Number(row["expiresAtMs"]) - now))
  const waiting = [
    ...pending.map((row) => [
      "waits",
      String(row["requestId"]),
      nameOf(row),
      String(row["role"]),
      left(row),
      shortScopes(row["scopes"]),
    ]),
    ...codes.map((row) => [
      "code",
      String(row["requestId"]),
      nameOf(row),
      String(row["role"]),
      left(row),
      shortScopes(row["scopes"]),
    ]),
  ]
  if (waiting.length > 0) out.table(["STATE", "REQUEST", "NAME", "ROLE", "LEFT", "SCOPES"], waiting)
  if (pending.length > 0 && out.isTerminal)
    out.line(out.paint(`Let one in: pincer device approve ${String(pending[0]?.["requestId"])}`, "dim"))
  if (paired.length === 0) return
  if (waiting.length > 0 && out.isTerminal) out.line()
  const rows = paired.map((row) => [
    row["connected"] === true ? "connected" : "paired",
    String(row["deviceId"]).slice(0, out.isTerminal ? 12 : 64),
    nameOf(row),
    Array.isArray(row["roles"]) ? row["roles"].join(", ") : "",
    typeof row["lastSeenAtMs"] === "number" ? `${duration(Math.max(0, now - row["lastSeenAtMs"]))} ago` : "never",
    shortScopes(row["scopes"]),
  ])
  out.table(["STATE", "DEVICE", "NAME", "ROLES", "SEEN", "SCOPES"], rows)
}

async function requestId(client: GatewayClient, part: string | undefined, also: "codes" | "none"): Promise<string> {
  const { codes, pending } = await listing(client)
  const ids = [...pending, ...(also === "codes" ? codes : [])].map((row) => String(row["requestId"]))
  if (part !== undefined) {
    const id = idFor(ids, part, "requests")
    if (ids.includes(id)) return id
    throw new PincerError("NOT_FOUND", `No device waits under "${part}": see "pincer device list"`)
  }
  const [only, ...more] = ids
  if (only === undefined) throw new PincerError("NOT_FOUND", "No device waits to be approved")
  if (more.length > 0)
    throw new PincerError("INVALID_PARAMS", `${ids.length} wait: name one of them, see "pincer device list"`)
  return only
}

/** The one device whose id begins with `part`, or whose name it is. */
async function deviceFor(client: GatewayClient, part: string): Promise<DeviceFields> {
  const { paired } = await listing(client)
  const named = paired.filter((row) => nameOf(row) === part)
  const id =
    named.length === 1
      ? String(named[0]?.["deviceId"])
      : idFor(
          paired.map((row) => String(row["deviceId"])),
          part,
          "devices",
        )
  const device = paired.find((row) => row["deviceId"] === id)
  if (device) return device
  throw new PincerError("NOT_FOUND", `No device "${part}" is paired: see "pincer device list"`)
}

function told(cli: Cli, answer: DeviceFields, flags: DeviceFlags, sentence: string): void {
  if (flags.json) cli.out.json(answer)
  else cli.out.line(inertLine(sentence))
}

export async function approveDevice(cli: Cli, part: string | undefined, flags: DeviceFlags): Promise<void> {
  const answer = await withGateway(cli, async (client) =>
    ask(client, "device.pair.approve", { requestId: await requestId(client, part, "none") }),
  )
  const device = isObject(answer["device"]) ? answer["device"] : {}
  const what = `${nameOf(device)} (${String(device["deviceId"]).slice(0, 12)})`
  told(
    cli,
    answer,
    flags,
    `Approved: ${what} may ${shortScopes(device["scopes"])}. It connects again by itself or when it is started.`,
  )
}

export async function rejectDevice(cli: Cli, part: string | undefined, flags: DeviceFlags): Promise<void> {
  const answer = await withGateway(cli, async (client) =>
    ask(client, "device.pair.reject", { requestId: await requestId(client, part, "codes") }),
  )
  told(cli, answer, flags, answer["withdrawn"] === true ? "The code is withdrawn." : "Turned away.")
}

export async function removeDevice(cli: Cli, part: string, flags: DeviceFlags): Promise<void> {
  const answer = await withGateway(cli, async (client) => {
    const { deviceId } = await deviceFor(client, part)
    return ask(client, "device.pair.remove", { deviceId })
  })
  told(
    cli,
    answer,
    flags,
    `Removed: device ${String(answer["deviceId"]).slice(0, 12)} is out, and must pair anew to come back.`,
  )
}

export async function renameDevice(
  cli: Cli,
  part: string,
  words: readonly string[],
  flags: DeviceFlags,
): Promise<void> {
  const label = words.join(" ")
  const answer = await withGateway(cli, async (client) => {
    const { deviceId } = await deviceFor(client, part)
    return ask(client, "device.pair.rename", { deviceId, label })
  })
  told(cli, answer, flags, `Device ${String(answer["deviceId"]).slice(0, 12)} is now called "${label}".`)
}

export async function rotateToken(
  cli: Cli,
  part: string,
  flags: DeviceFlags & { scopes?: string; show?: boolean },
): Promise<void> {
  const answer = await withGateway(cli, async (client) => {
    const { deviceId } = await deviceFor(client, part)
    return ask(client, "device.token.rotate", {
      deviceId,
      ...(flags.role === undefined ? {} : { role: flags.role }),
      ...(flags.scopes === undefined ? {} : { scopes: scopesFrom(flags.scopes, "--scopes") }),
      ...(flags.show ? { reveal: true } : {}),
    })
  })
  if (!flags.json && typeof answer["token"] === "string") {
    cli.err.line("The new token, shown this once:")
    cli.out.line(answer["token"])
    return
  }
  told(
    cli,
    answer,
    flags,
    "The old token is worth nothing any more. The device gets a new one when it connects with the gateway's token; --show prints it.",
  )
}

export async function revokeToken(cli: Cli, part: string, flags: DeviceFlags): Promise<void> {
  const answer = await withGateway(cli, async (client) => {
    const device = await deviceFor(client, part)
    const roles = flags.role === undefined ? liveRoles(device) : [flags.role]
    const revoked: DeviceFields[] = []
    for (const role of roles)
      revoked.push(await ask(client, "device.token.revoke", { deviceId: device["deviceId"], role }))
    return { deviceId: device["deviceId"], revoked }
  })
  const roles = answer.revoked.map((one) => String(one["role"])).join(", ")
  told(
    cli,
    answer,
    flags,
    `Revoked (${roles}): device ${String(answer.deviceId).slice(0, 12)} is disconnected and its token opens nothing.`,
  )
}

function liveRoles(device: DeviceFields): string[] {
  const tokens = Array.isArray(device["tokens"]) ? device["tokens"].filter(isObject) : []
  const live = tokens.filter((token) => token["revokedAtMs"] === undefined).map((token) => String(token["role"]))
  if (live.length > 0) return live
  throw new PincerError("NOT_FOUND", `Device "${String(device["deviceId"])}" has no token that could be revoked`)
}

export async function setDeviceScopes(cli: Cli, part: string, text: string, flags: DeviceFlags): Promise<void> {
  const scopes = scopesFrom(text, "scopes")
  const answer = await withGateway(cli, async (client) => {
    const { deviceId } = await deviceFor(client, part)
    return ask(client, "device.scopes.set", {
      deviceId,
      scopes,
      ...(flags.role === undefined ? {} : { role: flags.role }),
    })
  })
  told(
    cli,
    answer,
    flags,
    `Device ${String(answer["deviceId"]).slice(0, 12)} may now ${shortScopes(scopes)}; what it lost counts from its next call.`,
  )
}
