// One POST to an address that a stranger named: http and https only, the name looked up by us, refused when any of its addresses is
// not public, the connection made to the very addresses that were judged. No redirect is followed and the answer is not read.
import type { RequestOptions } from "node:https"
import { isIP } from "node:net"
import { pinnedLookup } from "../base/address.ts"
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"

/** Which addresses may be called. */
export interface AddressRules {
  /** Private, local, reserved: not of the public internet. */
  isSpecial: (address: string) => boolean
  /** "host" or "host:port" entries that may be such addresses all the same. */
  allowHosts: readonly string[]
  /** Looks a name up; handed in by tests of rebinding. */
  lookup?: (host: string) => Promise<string[]>
}

export interface GuardedPost {
  url: string
  body: string
  headers: Record<string, string>
  timeoutMs: number
  signal: AbortSignal
  clock: Clock
  rules: AddressRules
}

/** Throws INVALID_PARAMS unless it is a plain http or https URL whose host, when it is an address, may be called. */
export function checkCallbackUrl(text: string, rules: AddressRules): URL {
  if (text.length > 2_000 || !URL.canParse(text))
    throw new PincerError("INVALID_PARAMS", `callback: "${text.slice(0, 200)}" is not a URL`)
  const url = new URL(text)
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw new PincerError("INVALID_PARAMS", `callback: ${url.protocol} URLs are not called, only https and http`)
  if (url.username !== "" || url.password !== "")
    throw new PincerError("INVALID_PARAMS", "callback: leave user name and password out of the URL")
  const host = bareHost(url)
  if (isIP(host) && rules.isSpecial(host) && !isAllowed(url, rules)) throw notPublic(url)
  return url
}

/** The HTTP status. Throws PincerError when it could not be sent or may not be. */
export async function postGuarded(post: GuardedPost): Promise<number> {
  const url = checkCallbackUrl(post.url, post.rules)
  const limit = new AbortController()
  const stopTimer = post.clock.after(post.timeoutMs, () => limit.abort())
  const onAbort = () => limit.abort()
  if (post.signal.aborted) onAbort()
  post.signal.addEventListener("abort", onAbort, { once: true })
  const { signal } = limit
  try {
    const addresses = await publicAddresses(url, post, signal)
    return await within(send(url, addresses, post, signal), signal)
  } catch (error) {
    if (error instanceof PincerError) throw error
    if (signal.aborted)
      throw new PincerError("TIMEOUT", `${url.host} did not answer within ${post.timeoutMs} ms`, { cause: error })
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error)
    throw new PincerError("UNAVAILABLE", `${url.host} could not be reached (${code})`, { cause: error })
  } finally {
    stopTimer()
    post.signal.removeEventListener("abort", onAbort)
  }
}

async function publicAddresses(url: URL, post: GuardedPost, signal: AbortSignal): Promise<string[]> {
  const host = bareHost(url)
  const addresses = isIP(host) ? [host] : await within(lookUp(host, post), signal)
  if (addresses.length === 0) throw new PincerError("UNAVAILABLE", `The host ${host} has no address`)
  // Which one is used must not be luck.
  if (addresses.some(post.rules.isSpecial) && !isAllowed(url, post.rules)) throw notPublic(url)
  return addresses
}

async function lookUp(host: string, post: GuardedPost): Promise<string[]> {
  if (post.rules.lookup) return post.rules.lookup(host)
  const { lookup } = await import("node:dns/promises")
  return (await lookup(host, { all: true })).map((one) => one.address)
}

async function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener("abort", onAbort, { once: true })
  try {
    signal.throwIfAborted()
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener("abort", onAbort)
  }
}

async function send(url: URL, addresses: readonly string[], post: GuardedPost, signal: AbortSignal): Promise<number> {
  const options: RequestOptions = {
    method: "POST",
    agent: false,
    signal,
    lookup: pinnedLookup(addresses),
    headers: {
      "user-agent": "Pincer",
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(post.body)),
      ...post.headers,
    },
  }
  const { request } = url.protocol === "https:" ? await import("node:https") : await import("node:http")
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (response) => {
      response.on("error", () => undefined)
      resolve(response.statusCode ?? 0)
      response.destroy()
    })
    sent.on("error", reject)
    sent.on("close", () => reject(new Error("the connection was closed")))
    sent.end(post.body)
  })
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "")
}

function isAllowed(url: URL, { allowHosts }: AddressRules): boolean {
  const port = url.port || (url.protocol === "https:" ? "443" : "80")
  const names = [url.hostname, bareHost(url), `${url.hostname}:${port}`]
  return allowHosts.some((entry) => names.includes(entry.toLowerCase()))
}

function notPublic(url: URL): PincerError {
  return new PincerError(
    "INVALID_PARAMS",
    `callback: ${url.host} is a private or local address: a person can allow it in jobs.callback.allowHosts`,
  )
}
