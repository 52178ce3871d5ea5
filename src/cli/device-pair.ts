// `pincer device pair`: a code for a new device, as text and as a picture in the terminal; it waits until one has come in by it.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { GatewayClient } from "../protocol/client.ts"
import type { Cli } from "./cli.ts"
import { ask, type DeviceFields, scopesFrom, shortScopes } from "./device.ts"
import { inertLine } from "./inert.ts"
import { withGateway } from "./one-call.ts"
import { duration } from "./status.ts"

export interface PairFlags {
  name?: string
  url?: string
  scopes?: string
  limited?: boolean
  node?: boolean
  letters?: boolean
  qr?: boolean
  wait?: boolean
  json?: boolean
}

export async function pairDevice(cli: Cli, flags: PairFlags): Promise<void> {
  await withGateway(cli, async (client) => {
    const heard = whoComesIn(client)
    const made = flags.letters ? await letters(client, flags) : await setup(client, flags)
    if (flags.json) cli.out.jsonLine(made)
    else await show(cli, made, flags)
    if (flags.wait === false) return
    const done = await heard(String(made["setupId"] ?? made["requestId"]), Number(made["expiresAtMs"]))
    if (flags.json) cli.out.jsonLine({ paired: true, ...done })
    else {
      const name = typeof done["deviceName"] === "string" ? done["deviceName"] : "A device"
      cli.out.line(inertLine(`${name} is paired (${String(done["deviceId"]).slice(0, 12)}).`))
    }
  })
}

function chosen(flags: PairFlags): DeviceFields {
  if (flags.node && (flags.scopes !== undefined || flags.limited))
    throw new PincerError("INVALID_PARAMS", "--node has no scopes: leave --scopes and --limited out")
  return flags.scopes === undefined ? {} : { scopes: scopesFrom(flags.scopes, "--scopes") }
}

function letters(client: GatewayClient, flags: PairFlags): Promise<DeviceFields> {
  const deviceName = flags.name ?? "new device"
  return ask(client, "device.initiate", { deviceName, ...chosen(flags), ...(flags.node ? { role: "node" } : {}) })
}

function setup(client: GatewayClient, flags: PairFlags): Promise<DeviceFields> {
  const profile = flags.node ? "node" : flags.limited ? "limited" : undefined
  return ask(client, "device.pair.setupCode", {
    ...chosen(flags),
    ...(profile === undefined ? {} : { bootstrapProfile: profile }),
    ...(flags.url === undefined ? {} : { publicUrl: flags.url }),
    ...(flags.name === undefined ? {} : { name: flags.name }),
  })
}

async function show(cli: Cli, made: DeviceFields, flags: PairFlags): Promise<void> {
  const { err, out } = cli
  const left = duration(Math.max(0, Number(made["expiresAtMs"]) - Date.now()))
  if (typeof made["code"] === "string") {
    const code = `${made["code"].slice(0, 4)}-${made["code"].slice(4)}`
    out.line(out.isTerminal ? `  ${out.paint(code, "bold")}` : code)
    err.line(`On the new device, within ${left}: pincer device join ${code} --server <address of this gateway>`)
  } else {
    const code = String(made["setupCode"])
    if (flags.qr !== false && out.isTerminal) {
      const { renderUnicodeCompact } = await import("uqr")
      out.line(renderUnicodeCompact(code, { border: 2 }))
    }
    out.line(code)
    err.line(`On the new device, within ${left}: pincer device join <this code>`)
    err.line(`It will reach ${inertLine(String(made["gatewayUrl"]))} and may ${shortScopes(made["scopes"])}.`)
    if (made["urlSource"] === "loopback")
      err.line(err.paint("Only this machine reaches that address: pass --url, or set gateway.publicUrl.", "yellow"))
    if (made["accessDowngraded"] === true)
      err.line(
        err.paint(
          "Limited, because that address is not encrypted: use a wss:// address for full access, or name --scopes.",
          "yellow",
        ),
      )
  }
  if (flags.wait !== false) err.line(err.paint("Waiting for the device. Ctrl-C ends the waiting, not the code.", "dim"))
}

/** To be called before the code is made, so that nobody comes in unheard. */
function whoComesIn(client: GatewayClient): (id: string, expiresAtMs: number) => Promise<DeviceFields> {
  const came: DeviceFields[] = []
  let look: () => void = () => undefined
  const stop = client.on("device.pair.setup.completed", ({ payload }) => {
    if (isObject(payload)) came.push(payload)
    look()
  })
  return async (id, expiresAtMs) => {
    try {
      return await new Promise<DeviceFields>((resolve, reject) => {
        const refuse = (text: string) => reject(new PincerError("TIMEOUT", text))
        const timer = setTimeout(
          () => refuse("Nobody came in by the code while it was valid"),
          expiresAtMs - Date.now(),
        )
        look = () => {
          const found = came.find((one) => one["setupId"] === id)
          if (!found) return
          clearTimeout(timer)
          resolve(found)
        }
        look()
        void client.closed.then((error) => {
          clearTimeout(timer)
          reject(error)
        })
      })
    } finally {
      stop()
    }
  }
}
