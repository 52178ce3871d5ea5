// One guarded HTTP GET or POST for WebFetch and WebSearch: names are looked up by us, the address is judged, and the connection goes to
// that very address; after every redirect anew. No cookies, no credentials, no proxy.
import { lookup as dnsLookup } from "node:dns/promises"
import http from "node:http"
import https from "node:https"
import { isIP } from "node:net"
import { PincerError } from "../base/errors.ts"
import { isSpecialAddress } from "./address.ts"

export interface WebRequest {
  url: string
  method?: "GET" | "POST"
  headers?: Record<string, string>
  body?: string
  timeoutMs: number
  maxBytes: number
  /** "host" or "host:port" entries that may be private addresses. */
  allowHosts: readonly string[]
  signal: AbortSignal
  /** Looks a name up; handed in by tests of rebinding. */
  lookup?: (host: string) => Promise<string[]>
}

export interface WebResponse {
  url: string
  status: number
  contentType: string
  body: Buffer
  /** The body was longer than maxBytes. */
  cut: boolean
}

const MAX_REDIRECTS = 5

/** Throws INVALID_PARAMS for what may not be fetched, UNAVAILABLE and TIMEOUT for what could not. */
export async function webRequest(request: WebRequest): Promise<WebResponse> {
  const limit = AbortSignal.timeout(request.timeoutMs)
  const signal = AbortSignal.any([request.signal, limit])
  let url = webUrl(request.url)
  let { method = "GET", body } = request
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const address = await publicAddress(url, request)
    const response = await exchange(url, address, { ...request, method, body }, signal, limit)
    const location = response.headers.location
    const status = response.statusCode ?? 0
    if (status < 300 || status >= 400 || location === undefined)
      return {
        url: url.href,
        status,
        contentType: response.headers["content-type"] ?? "",
        ...(await readBody(response, request.maxBytes, limit)),
      }
    response.destroy()
    url = webUrl(new URL(location, url).href)
    if (status !== 307 && status !== 308) {
      method = "GET"
      body = undefined
    }
  }
  throw new PincerError("UNAVAILABLE", `${request.url} redirects more than ${MAX_REDIRECTS} times`, {
    retryable: false,
  })
}

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
    throw new PincerError("INVALID_PARAMS", "URLs with a user name or password are not fetched")
  return url
}

/** The address to connect to. Refused when any address of the name is not public: which one is used must not be luck. */
async function publicAddress(url: URL, request: WebRequest): Promise<string> {
  const host = url.hostname.replace(/^\[|\]$/g, "")
  const port = url.port || (url.protocol === "https:" ? "443" : "80")
  const allowed = request.allowHosts.some((entry) => entry === url.hostname || entry === `${url.hostname}:${port}`)
  const addresses = isIP(host) ? [host] : await resolveName(host, request)
  const bad = allowed ? undefined : addresses.find(isSpecialAddress)
  if (bad !== undefined)
    throw new PincerError(
      "INVALID_PARAMS",
      `${url.hostname} is a private or local address: add it to tools.fetch.allowHosts to allow it`,
    )
  return addresses[0]!
}

async function resolveName(host: string, request: WebRequest): Promise<string[]> {
  const look =
    request.lookup ?? (async (name: string) => (await dnsLookup(name, { all: true })).map((one) => one.address))
  try {
    const addresses = await look(host)
    if (addresses.length > 0) return addresses
  } catch (error) {
    throw new PincerError("UNAVAILABLE", `The host ${host} could not be looked up`, { cause: error })
  }
  throw new PincerError("UNAVAILABLE", `The host ${host} has no address`)
}

function exchange(
  url: URL,
  address: string,
  request: WebRequest,
  signal: AbortSignal,
  limit: AbortSignal,
): Promise<http.IncomingMessage> {
  const secure = url.protocol === "https:"
  const family = isIP(address)
  const options: https.RequestOptions = {
    method: request.method,
    agent: false,
    signal,
    // Whatever the name means by now: the connection goes to the address that was judged.
    lookup: (_host, lookupOptions, callback) => {
      if (lookupOptions.all) callback(null, [{ address, family }])
      else callback(null, address, family)
    },
    headers: {
      "user-agent": "Mozilla/5.0 (compatible; Pincer)",
      accept: "text/html,application/xhtml+xml,application/json,text/plain;q=0.9,*/*;q=0.5",
      "accept-encoding": "identity",
      "accept-language": "en,zh;q=0.8,*;q=0.5",
      ...request.headers,
      ...(request.body === undefined ? {} : { "content-length": String(Buffer.byteLength(request.body)) }),
    },
  }
  return new Promise((resolve, reject) => {
    const sent = (secure ? https : http).request(url, options, resolve)
    sent.once("error", (error) => reject(describe(error, url, limit)))
    sent.end(request.body)
  })
}

async function readBody(
  response: http.IncomingMessage,
  maxBytes: number,
  limit: AbortSignal,
): Promise<{ body: Buffer; cut: boolean }> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer)
      size += (chunk as Buffer).length
      if (size > maxBytes) break
    }
  } catch (error) {
    throw describe(error, undefined, limit)
  }
  return { body: Buffer.concat(chunks).subarray(0, maxBytes), cut: size > maxBytes }
}

function describe(error: unknown, url: URL | undefined, limit: AbortSignal): PincerError {
  if (limit.aborted)
    return new PincerError("TIMEOUT", `${url?.host ?? "The server"} did not answer in time`, { cause: error })
  const code = error instanceof Error && "code" in error ? String(error.code) : "the connection failed"
  return new PincerError("UNAVAILABLE", `${url?.host ?? "The server"} could not be read (${code})`, { cause: error })
}
