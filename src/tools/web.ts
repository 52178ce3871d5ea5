// One guarded HTTP GET or POST for WebFetch and WebSearch: names are looked up by us, the addresses are judged, and the connection goes
// to those very addresses; after every redirect anew. No cookies, no proxy, and nothing secret to another origin.
import type { IncomingMessage } from "node:http"
import type { RequestOptions } from "node:https"
import { isIP } from "node:net"
import type { Readable } from "node:stream"
import { isSpecialAddress, pinnedLookup } from "../base/address.ts"
import { PincerError } from "../base/errors.ts"

export interface WebRequest {
  url: string
  method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** Sent to the first origin only. */
  headers?: Record<string, string>
  body?: string
  timeoutMs: number
  maxBytes: number
  /** "host" or "host:port" entries that may be private addresses. */
  allowHosts: readonly string[]
  signal: AbortSignal
  /** "show": a redirect is the answer, and nobody goes there. Default: followed, and judged anew. */
  redirects?: "follow" | "show"
  /** Looks a name up; handed in by tests of rebinding. */
  lookup?: (host: string) => Promise<string[]>
}

export interface WebResponse {
  url: string
  status: number
  contentType: string
  /** Where a redirect that was not followed leads. */
  location?: string
  /** What it wants before it answers. */
  challenge?: string
  body: Buffer
  /** The body was longer than maxBytes. */
  cut: boolean
}

const MAX_REDIRECTS = 5

/** Throws INVALID_PARAMS for what may not be fetched, UNAVAILABLE and TIMEOUT for what could not, and the signal's own reason. */
export async function webRequest(request: WebRequest): Promise<WebResponse> {
  const limit = AbortSignal.timeout(request.timeoutMs)
  const signal = AbortSignal.any([request.signal, limit])
  let url = webUrl(request.url)
  let next: WebRequest = request
  try {
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const addresses = await publicAddresses(url, next, signal)
      const response = await exchange(url, addresses, next, signal)
      const { location, "www-authenticate": challenge } = response.headers
      const status = response.statusCode ?? 0
      if (status < 300 || status >= 400 || location === undefined || next.redirects === "show")
        return {
          url: url.href,
          status,
          ...(location === undefined ? {} : { location }),
          ...(challenge === undefined ? {} : { challenge }),
          contentType: response.headers["content-type"] ?? "",
          ...(await readBody(response, request.maxBytes)),
        }
      response.destroy()
      const target = redirectTarget(location, url)
      next = redirected(next, status, target.origin === url.origin)
      url = target
    }
  } catch (error) {
    request.signal.throwIfAborted()
    throw asRefusal(error, url, limit)
  }
  throw new PincerError("UNAVAILABLE", `${request.url} redirects more than ${MAX_REDIRECTS} times`, {
    retryable: false,
  })
}

/** Throws INVALID_PARAMS for what is no http or https URL, or holds a user name or password. */
export function webUrl(text: string): URL {
  let url: URL
  try {
    url = new URL(text)
  } catch (error) {
    throw new PincerError(
      "INVALID_PARAMS",
      `"${text.slice(0, 200)}" is not a URL: it must begin with https:// or http://`,
      { cause: error },
    )
  }
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw new PincerError("INVALID_PARAMS", `${url.protocol} URLs are not fetched: only https and http`)
  if (url.username !== "" || url.password !== "")
    throw new PincerError("INVALID_PARAMS", "URLs with a user name or password are not fetched: leave them out")
  return url
}

function redirectTarget(location: string, from: URL): URL {
  if (!URL.canParse(location, from.href))
    throw new PincerError("UNAVAILABLE", `${from.host} redirects to something that is not a URL`, { retryable: false })
  return webUrl(new URL(location, from).href)
}

function redirected(request: WebRequest, status: number, sameOrigin: boolean): WebRequest {
  const kept = status === 307 || status === 308
  if (!kept) {
    const method = request.method === "HEAD" ? "HEAD" : "GET"
    return { ...request, method, body: undefined, headers: undefined }
  }
  // A body or header may hold a key that was meant for the first origin.
  const { method = "GET" } = request
  if (sameOrigin || method === "GET" || method === "HEAD")
    return sameOrigin ? request : { ...request, headers: undefined }
  throw new PincerError("UNAVAILABLE", `${new URL(request.url).host} redirects a ${method} to another server`, {
    retryable: false,
  })
}

/** The addresses to connect to. Refused when any address of the name is not public: which one is used must not be luck. */
async function publicAddresses(url: URL, request: WebRequest, signal: AbortSignal): Promise<string[]> {
  const host = url.hostname.replace(/^\[|\]$/g, "")
  const addresses = isIP(host) ? [host] : await resolveName(host, request, signal)
  if (!isAllowed(url, request.allowHosts) && addresses.some(isSpecialAddress))
    throw new PincerError(
      "INVALID_PARAMS",
      `${url.host} is a private or local address: a person can allow it in tools.fetch.allowHosts`,
    )
  return addresses
}

function isAllowed(url: URL, entries: readonly string[]): boolean {
  const port = url.port || (url.protocol === "https:" ? "443" : "80")
  const bare = url.hostname.replace(/^\[|\]$/g, "")
  const names = [url.hostname, bare, `${url.hostname}:${port}`]
  return entries.some((entry) => names.includes(entry.toLowerCase()))
}

async function resolveName(host: string, request: WebRequest, signal: AbortSignal): Promise<string[]> {
  const look = request.lookup ?? addressesOf
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener("abort", onAbort, { once: true })
  try {
    signal.throwIfAborted()
    const addresses = await Promise.race([look(host), aborted.promise])
    if (addresses.length > 0) return addresses
  } catch (error) {
    if (signal.aborted) throw error
    throw new PincerError("UNAVAILABLE", `The host ${host} could not be looked up`, { cause: error })
  } finally {
    signal.removeEventListener("abort", onAbort)
  }
  throw new PincerError("UNAVAILABLE", `The host ${host} has no address`)
}

async function addressesOf(host: string): Promise<string[]> {
  const { lookup } = await import("node:dns/promises")
  return (await lookup(host, { all: true })).map((one) => one.address)
}

async function exchange(
  url: URL,
  addresses: readonly string[],
  request: WebRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const options: RequestOptions = {
    method: request.method ?? "GET",
    agent: false,
    signal,
    lookup: pinnedLookup(addresses),
    headers: {
      "user-agent": "Mozilla/5.0 (compatible; Pincer)",
      accept: "text/html,application/xhtml+xml,application/json,text/plain;q=0.9,*/*;q=0.5",
      "accept-encoding": "gzip, br",
      "accept-language": "en,zh;q=0.8,*;q=0.5",
      ...request.headers,
      ...(request.body === undefined ? {} : { "content-length": String(Buffer.byteLength(request.body)) }),
    },
  }
  // Loaded when first needed, as all of this costs every start.
  const { request: send } = url.protocol === "https:" ? await import("node:https") : await import("node:http")
  return new Promise((resolve, reject) => {
    const sent = send(url, options, (response) => {
      // Errors are met where the body is read; one after that is nobody's concern any more.
      response.on("error", () => undefined)
      resolve(response)
    })
    sent.on("error", reject)
    sent.end(request.body)
  })
}

/** Counted after decompression, so that a small body cannot become a large one. */
async function readBody(response: IncomingMessage, maxBytes: number): Promise<{ body: Buffer; cut: boolean }> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of await decompressed(response)) {
      chunks.push(chunk as Buffer)
      size += (chunk as Buffer).length
      if (size > maxBytes) break
    }
  } finally {
    response.destroy()
  }
  return { body: Buffer.concat(chunks).subarray(0, maxBytes), cut: size > maxBytes }
}

async function decompressed(response: IncomingMessage): Promise<Readable> {
  const encoding = response.headers["content-encoding"]?.trim().toLowerCase() ?? "identity"
  if (encoding === "identity" || encoding === "") return response
  const { createBrotliDecompress, createGunzip, createInflate } = await import("node:zlib")
  const makers = { gzip: createGunzip, "x-gzip": createGunzip, br: createBrotliDecompress, deflate: createInflate }
  if (!Object.hasOwn(makers, encoding)) return response
  const decoder = makers[encoding as keyof typeof makers]()
  response.once("error", (error) => decoder.destroy(error))
  return response.pipe(decoder)
}

function asRefusal(error: unknown, url: URL, limit: AbortSignal): unknown {
  if (error instanceof PincerError) return error
  if (limit.aborted) return new PincerError("TIMEOUT", `${url.host} did not answer in time`, { cause: error })
  if (!(error instanceof Error)) return error
  const code = "code" in error ? String(error.code) : error.message
  return new PincerError("UNAVAILABLE", `${url.host} could not be read (${code || error.name})`, { cause: error })
}
