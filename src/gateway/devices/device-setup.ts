// Setup codes: where the gateway is and a one-time secret, as one text that fits a QR picture.
import { networkInterfaces } from "node:os"
import { deflateSync } from "node:zlib"
import { PincerError } from "../../base/errors.ts"
import { isLoopback } from "../../config/load.ts"
import type { Config } from "../../config/schema.ts"

export interface Whereabouts {
  gatewayUrl: string
  /** All addresses, when there are several. */
  gatewayUrls?: string[]
  urlSource: "param" | "gateway.publicUrl" | "gateway.host" | "network" | "loopback"
}

/** Under which address another machine reaches this gateway. `port`: where it really listens. */
export function whereabouts(gateway: Config["gateway"], port: number, given: string | undefined): Whereabouts {
  if (given !== undefined) return { gatewayUrl: socketUrl(given, "publicUrl"), urlSource: "param" }
  if (gateway.publicUrl !== undefined)
    return { gatewayUrl: socketUrl(gateway.publicUrl, "gateway.publicUrl"), urlSource: "gateway.publicUrl" }
  const { host } = gateway
  if (host !== "0.0.0.0" && host !== "::")
    return { gatewayUrl: at(host, port), urlSource: isLoopback(host) ? "loopback" : "gateway.host" }
  const urls = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((one) => !one.internal && (one.family === "IPv4" || host === "::") && !one.address.startsWith("fe80:"))
    .map((one) => at(one.address, port))
    .slice(0, 8)
  const [first] = urls
  if (first === undefined) return { gatewayUrl: at("127.0.0.1", port), urlSource: "loopback" }
  return { gatewayUrl: first, urlSource: "network", ...(urls.length > 1 ? { gatewayUrls: urls } : {}) }
}

function at(host: string, port: number): string {
  return `ws://${host.includes(":") ? `[${host}]` : host}:${port}`
}

function socketUrl(text: string, name: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^(wss?|https?):$/.test(url.protocol) || url.username !== "" || url.password !== "")
    throw new PincerError(
      "INVALID_PARAMS",
      `${name}: "${text}" is not the address of a gateway: write it like wss://gateway.example`,
    )
  return url.href.replace(/^http/, "ws").replace(/\/$/, "")
}

/** Whether what travels there can be read on the way. */
export function isPlainRemote(url: string): boolean {
  const { hostname, protocol } = new URL(url)
  return protocol === "ws:" && !isLoopback(hostname)
}

export function setupCode(fields: Record<string, unknown>): string {
  return Buffer.from(JSON.stringify(fields)).toString("base64url")
}

/** A PNG with dark squares on light ground, as a data URL. */
export async function qrDataUrl(text: string): Promise<string> {
  const { encode } = await import("uqr")
  const { data } = encode(text, { ecc: "M", border: 4 })
  return `data:image/png;base64,${png(data, 6).toString("base64")}`
}

/** One bit a pixel, grey. `scale`: pixels of a square's side. */
function png(squares: readonly (readonly boolean[])[], scale: number): Buffer {
  const side = squares.length * scale
  const lines = squares.flatMap((row) => {
    const line = Buffer.alloc(1 + Math.ceil(side / 8))
    for (let x = 0; x < side; x++) if (!row[Math.floor(x / scale)]) line[1 + (x >> 3)]! |= 0x80 >> (x & 7)
    return new Array<Buffer>(scale).fill(line)
  })
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header[8] = 1
  const signature = Buffer.from("89504e470d0a1a0a", "hex")
  const body = [chunk("IHDR", header), chunk("IDAT", deflateSync(Buffer.concat(lines))), chunk("IEND", Buffer.alloc(0))]
  return Buffer.concat([signature, ...body])
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, "latin1"), data])
  const out = Buffer.alloc(named.length + 8)
  out.writeUInt32BE(data.length, 0)
  named.copy(out, 4)
  out.writeUInt32BE(crc32(named), named.length + 4)
  return out
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}
