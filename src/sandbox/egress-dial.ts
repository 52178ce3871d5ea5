// From "host and port" to an open connection: judged, looked up once, every address judged, recorded, and connected to those very
// addresses. What the name means a moment later is never asked.
import { isIP, connect as netConnect, type Socket } from "node:net"
import { PincerError } from "../base/errors.ts"
import { type HostPort, hostPortText, normalHost } from "./egress-host.ts"
import type { EgressRules } from "./egress-rules.ts"
import type { EgressAttempt, EgressGate } from "./sandbox.ts"

export type Lookup = (host: string) => Promise<readonly string[]>
export type Connect = (address: string, port: number) => Socket

export interface DialOptions {
  rules: EgressRules
  gate: EgressGate
  /** Default: as the machine looks names up. */
  lookup?: Lookup
  /** Default: TCP. Handed in by tests. */
  connect?: Connect
  lookupMs: number
  connectMs: number
}

const MAX_ADDRESSES = 4
/** Look-ups use the process's few threads, and cannot be called off: the rest of the program must keep some of them. */
const MAX_LOOKUPS = 2
let lookups = 0
const waiting: (() => void)[] = []

export class EgressDial {
  readonly #options: DialOptions

  constructor(options: DialOptions) {
    this.#options = options
  }

  /** Throws PERMISSION_DENIED, UNAVAILABLE or TIMEOUT with the sentence for who asked, and the signal's reason. */
  async reach(target: HostPort, signal: AbortSignal): Promise<Socket> {
    const addresses = await this.#judged(target, signal)
    let failure: unknown
    for (const address of addresses.slice(0, MAX_ADDRESSES)) {
      signal.throwIfAborted()
      this.#record({ ...target, address }, "allow", "allowed by the network rules")
      try {
        return await this.#connect(address, target, signal)
      } catch (error) {
        signal.throwIfAborted()
        failure = error
      }
    }
    if (failure instanceof PincerError) throw failure
    throw new PincerError("UNAVAILABLE", `${hostPortText(target.host, target.port)} could not be connected to`, {
      cause: failure,
    })
  }

  /** For a host that means nothing: told to the gate like every other refusal. */
  refuseHost(raw: string): PincerError {
    const host = raw.slice(0, 255)
    return this.#refusal({ host, port: 0 }, `"${host}" is not a host and port that can be judged`)
  }

  async #judged(target: HostPort, signal: AbortSignal): Promise<readonly string[]> {
    const { host, port } = target
    const verdict = this.#options.rules.judgeHost(host, port)
    if (verdict.verdict === "deny") throw this.#refusal(target, verdict.reason)
    if (verdict.addresses) return verdict.addresses
    const found = await this.#lookup(target, signal)
    const addresses = found.map((one) => (isIP(one) ? normalHost(one) : undefined))
    if (!addresses.every((one) => one !== undefined))
      throw this.#refusal(target, `${host} was looked up as something that is no address`)
    const reason = this.#options.rules.judgeAddresses(host, port, addresses)
    if (reason !== undefined) throw this.#refusal({ ...target, address: addresses[0] }, reason)
    return addresses
  }

  async #lookup(target: HostPort, signal: AbortSignal): Promise<readonly string[]> {
    const look = this.#options.lookup ?? systemLookup
    const limit = AbortSignal.timeout(this.#options.lookupMs)
    let cause: unknown
    try {
      const found = await before(look(target.host), AbortSignal.any([signal, limit]))
      if (found.length > 0) return found
    } catch (error) {
      signal.throwIfAborted()
      cause = error
    }
    const reason = limit.aborted ? "was not looked up in time" : "could not be looked up"
    const refused = `${target.host} ${reason}`
    this.#record(target, "deny", refused)
    throw new PincerError(limit.aborted ? "TIMEOUT" : "UNAVAILABLE", refused, { cause })
  }

  #connect(address: string, target: HostPort, signal: AbortSignal): Promise<Socket> {
    const open = this.#options.connect ?? tcp
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    const socket = open(address, target.port)
    const late = () => {
      const where = hostPortText(target.host, target.port)
      socket.destroy(new PincerError("TIMEOUT", `${where} did not accept the connection in time`))
    }
    const timer = setTimeout(late, this.#options.connectMs)
    const onAbort = () => socket.destroy(asError(signal.reason))
    signal.addEventListener("abort", onAbort, { once: true })
    socket.once("connect", () => resolve(socket))
    socket.on("error", reject)
    socket.once("close", () => reject(new PincerError("UNAVAILABLE", `${address} closed the connection`)))
    if (signal.aborted) onAbort()
    return promise.finally(() => {
      clearTimeout(timer)
      signal.removeEventListener("abort", onAbort)
    })
  }

  #refusal(attempt: EgressAttempt, reason: string): PincerError {
    this.#record(attempt, "deny", reason)
    return new PincerError("PERMISSION_DENIED", reason)
  }

  /** What cannot be written down does not happen. */
  #record(attempt: EgressAttempt, verdict: "allow" | "deny", reason: string): void {
    try {
      this.#options.gate.saw(attempt, verdict, reason)
    } catch (error) {
      const where = hostPortText(attempt.host, attempt.port)
      throw new PincerError("UNAVAILABLE", `${where} is refused: the connection could not be recorded`, {
        cause: error,
      })
    }
  }
}

function tcp(address: string, port: number): Socket {
  // A literal address: nothing is looked up.
  return netConnect({ host: address, port, allowHalfOpen: true })
}

async function systemLookup(host: string): Promise<readonly string[]> {
  if (lookups >= MAX_LOOKUPS) await new Promise<void>((resolve) => waiting.push(resolve))
  else lookups += 1
  try {
    const { lookup } = await import("node:dns/promises")
    return (await lookup(host, { all: true })).map((one) => one.address)
  } finally {
    const next = waiting.shift()
    if (next) next()
    else lookups -= 1
  }
}

/** The answer, or the signal's reason if that comes first; a late answer is dropped. */
async function before<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener("abort", onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([answer, aborted.promise])
  } finally {
    signal.removeEventListener("abort", onAbort)
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new PincerError("ABORTED", "The connection was called off")
}
