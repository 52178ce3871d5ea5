// Gateways behind TLS: whom this process trusts beyond the usual authorities, and why a connection did not come about. The WebSocket of
// the platform keeps the reason to itself, so it is looked up with a connection of our own, on which nothing is sent.
import { readFileSync } from "node:fs"
import { isIP } from "node:net"
import { connect, getCACertificates, setDefaultCACertificates } from "node:tls"
import { PincerError } from "../base/errors.ts"
import { envValue, expandPath } from "../config/paths.ts"
import type { Cli } from "./cli.ts"

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g
const LOOK_MS = 3_000

const UNKNOWN_SIGNER = [
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_GET_ISSUER_CERT",
]

/** Adds the authorities in --ca-file or PINCER_CA_FILE for the rest of this process. Throws NOT_FOUND, INVALID_PARAMS. */
export function trustCaFile(cli: Cli): void {
  const byFlag = cli.flags.caFile
  const given = byFlag ?? envValue(cli.env, "PINCER_CA_FILE")
  if (given === undefined) return
  const what = byFlag === undefined ? "PINCER_CA_FILE" : "--ca-file"
  const path = expandPath(given, cli.env, cli.cwd)
  const found = read(path, what).match(CERTIFICATE)
  if (!found) throw new PincerError("INVALID_PARAMS", `${what}: ${path} holds no certificate in PEM`)
  try {
    setDefaultCACertificates([...getCACertificates("default"), ...found])
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `${what}: a certificate in ${path} is damaged`, { cause: error })
  }
}

function read(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch (error) {
    throw new PincerError("NOT_FOUND", `${what}: ${path} cannot be read`, { cause: error })
  }
}

/** The refusal in one line when TLS is the reason that `url` could not be reached; undefined when it is not. */
export async function tlsRefusal(url: string): Promise<PincerError | undefined> {
  const { hostname, host, port, protocol } = new URL(url)
  if (protocol !== "wss:") return undefined
  const code = await failureAt(hostname.replace(/^\[|\]$/g, ""), Number(port || 443))
  const why = code === undefined ? undefined : sentence(code, host, url)
  return why === undefined
    ? undefined
    : new PincerError("UNAVAILABLE", why, { retryable: false, details: { tls: code } })
}

function sentence(code: string, host: string, url: string): string | undefined {
  if (UNKNOWN_SIGNER.includes(code))
    return `The certificate of ${host} is signed by nobody this machine knows (${code}): name its authority with --ca-file <file>`
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return `The certificate of ${host} is made out to another name: use the name in the certificate as the address`
  if (code === "CERT_HAS_EXPIRED") return `The certificate of ${host} has expired: renew it there`
  if (code === "CERT_NOT_YET_VALID")
    return `The certificate of ${host} is not valid yet: check the clocks of both machines`
  if (code === "EPROTO" || code.startsWith("ERR_SSL_"))
    return `${host} does not speak TLS: if it is a gateway without, use ${url.replace(/^wss/, "ws")}`
  return code.startsWith("CERT_") || code.startsWith("ERR_TLS_")
    ? `The certificate of ${host} is not accepted (${code})`
    : undefined
}

/** The code with which the handshake fails; undefined when it does not, or takes too long. */
function failureAt(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}) })
    const end = (code: string | undefined) => {
      socket.destroy()
      resolve(code)
    }
    socket.setTimeout(LOOK_MS, () => end(undefined))
    socket.once("secureConnect", () => end(undefined))
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code))
  })
}
