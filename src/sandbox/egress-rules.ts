// What a confined program may reach, decided by host and port, and then by every address that the host turned out to have. Pure.
// Not the public internet means: only what a rule names by that very address and port, or a listed loopback port.
import { isIP } from "node:net"
import { isSpecialAddress } from "../base/address.ts"
import { PincerError } from "../base/errors.ts"
import { hostPortText, isPort, normalHost } from "./egress-host.ts"
import type { SandboxProfile } from "./sandbox.ts"

export type EgressProfile = Pick<SandboxProfile, "name" | "network" | "loopbackPorts">

export type HostVerdict =
  /** `addresses`: known without asking anybody; absent for a name that must be looked up. */
  { verdict: "allow"; reason: string; addresses?: readonly string[] } | { verdict: "deny"; reason: string }

interface Rule {
  kind: "any" | "suffix" | "name" | "address"
  host: string
  ports: readonly number[]
}

const WEB_PORTS = [80, 443]

export class EgressRules {
  readonly #profile: string
  readonly #rules: readonly Rule[]
  readonly #loopbackPorts: readonly number[]

  /** Throws INVALID_PARAMS for a rule that means nothing. */
  constructor(profile: EgressProfile) {
    this.#profile = profile.name
    this.#rules = profile.network.map((rule) => readRule(rule.host, rule.ports ?? WEB_PORTS))
    for (const port of profile.loopbackPorts) checkPort(port, "loopbackPorts")
    this.#loopbackPorts = profile.loopbackPorts
  }

  /** `host` in its normal spelling. */
  judgeHost(host: string, port: number): HostVerdict {
    if (isLocalName(host) && this.#loopbackPorts.includes(port))
      return { verdict: "allow", reason: "loopback port", addresses: loopbackAddresses(host) }
    if (isIP(host)) return this.#judgeLiteral(host, port)
    if (isLocalName(host)) return this.#deny(host, port, "is not one of its loopbackPorts")
    const rule = this.#rules.find((one) => matchesName(one, host) && one.ports.includes(port))
    if (rule) return { verdict: "allow", reason: `rule ${rule.host}` }
    const other = this.#rules.some((one) => matchesName(one, host))
    return this.#deny(host, port, other ? "is not one of the ports of its network rules" : "is in no network rule")
  }

  /** Why these addresses of an allowed name may not be used, or undefined. One bad address spoils all: which is used must not be luck. */
  judgeAddresses(host: string, port: number, addresses: readonly string[]): string | undefined {
    const bad = addresses.find((one) => isSpecialAddress(one) && !this.#names(normalHost(one), port))
    if (bad === undefined) return undefined
    return (
      `${hostPortText(host, port)} is refused: the name stands for ${bad}, a private or local address. ` +
      `To allow it, a person also adds "${hostPortText(bad, port)}" to the network list of the sandbox profile "${this.#profile}"`
    )
  }

  #judgeLiteral(host: string, port: number): HostVerdict {
    if (this.#names(host, port)) return { verdict: "allow", reason: `rule ${host}`, addresses: [host] }
    if (isSpecialAddress(host))
      return this.#deny(host, port, "is a private or local address that no network rule names")
    const any = this.#rules.some((one) => one.kind === "any" && one.ports.includes(port))
    if (any) return { verdict: "allow", reason: "rule *", addresses: [host] }
    return this.#deny(host, port, "is in no network rule (rules of names do not cover addresses)")
  }

  #names(address: string | undefined, port: number): boolean {
    return this.#rules.some((one) => one.kind === "address" && one.host === address && one.ports.includes(port))
  }

  #deny(host: string, port: number, why: string): HostVerdict {
    const how = isLocalName(host)
      ? `port ${port} to the loopbackPorts`
      : `"${hostPortText(host, port)}" to the network list`
    return {
      verdict: "deny",
      reason: `${hostPortText(host, port)} ${why}. To allow it, a person adds ${how} of the sandbox profile "${this.#profile}"`,
    }
  }
}

/** The names of this machine's own loopback that loopbackPorts speaks of. */
function isLocalName(host: string): boolean {
  return host === "127.0.0.1" || host === "::1" || host === "localhost" || host.endsWith(".localhost")
}

function loopbackAddresses(host: string): readonly string[] {
  return isIP(host) ? [host] : ["127.0.0.1", "::1"]
}

function matchesName(rule: Rule, host: string): boolean {
  switch (rule.kind) {
    case "any":
      return true
    case "suffix":
      return host.endsWith(rule.host.slice(1))
    case "name":
      return host === rule.host
    case "address":
      return false
  }
}

function readRule(text: string, ports: readonly number[]): Rule {
  for (const port of ports) checkPort(port, `the network rule of "${text}"`)
  if (text === "*") return { kind: "any", host: "*", ports }
  const wild = text.startsWith("*.")
  const host = normalHost(wild ? text.slice(2) : text)
  if (host === undefined || host.includes("*") || (wild && isIP(host)))
    throw new PincerError(
      "INVALID_PARAMS",
      `"${text}" is no host of a network rule: write "example.com", "*.example.com", an address, or "*"`,
    )
  if (wild) return { kind: "suffix", host: `*.${host}`, ports }
  return { kind: isIP(host) ? "address" : "name", host, ports }
}

function checkPort(port: number, where: string): void {
  if (!isPort(port)) throw new PincerError("INVALID_PARAMS", `${port} in ${where} is no port: use 1 to 65535`)
}
