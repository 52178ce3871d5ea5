// Every request of a sign-in: to public addresses only, besides the server's own host and those that the owner allowed; redirects are not
// followed here, answers are bounded, and what a request was refused for is kept, as the library takes some failures for "not there".
import { PincerError } from "../../base/errors.ts"
import { webRequest } from "../web.ts"

const MAX_BYTES = 256 * 1024

export interface LoginFetch {
  fetch(url: string | URL, init?: RequestInit): Promise<Response>
  /** Why the last request that failed did; undefined while none has. */
  readonly refusal: PincerError | undefined
}

export interface LoginFetchOptions {
  timeoutMs: number
  /** "host" or "host:port" that may be private. */
  allowHosts: readonly string[]
  signal: AbortSignal
}

export function loginFetch({ allowHosts, signal, timeoutMs }: LoginFetchOptions): LoginFetch {
  let refusal: PincerError | undefined
  return {
    get refusal() {
      return refusal
    },
    async fetch(url, init = {}) {
      try {
        return await exchange(String(url), init, { allowHosts, signal, timeoutMs })
      } catch (error) {
        if (error instanceof PincerError) refusal = error
        throw error
      }
    },
  }
}

async function exchange(url: string, init: RequestInit, options: LoginFetchOptions): Promise<Response> {
  const method = init.method === "POST" ? "POST" : "GET"
  const body = init.body === undefined || init.body === null ? undefined : String(init.body)
  const headers = Object.fromEntries(new Headers(init.headers))
  const answer = await webRequest({
    ...{ url, method, headers, maxBytes: MAX_BYTES, redirects: "show" },
    ...(body === undefined ? {} : { body }),
    timeoutMs: options.timeoutMs,
    allowHosts: options.allowHosts,
    signal: init.signal ? AbortSignal.any([init.signal, options.signal]) : options.signal,
  })
  const { host } = new URL(url)
  if (answer.cut)
    throw new PincerError("TOO_LARGE", `${host} answered with more than ${MAX_BYTES} bytes`, { retryable: false })
  const shown = new Headers({ "content-type": answer.contentType })
  if (answer.location !== undefined) shown.set("location", answer.location)
  if (answer.challenge !== undefined) shown.set("www-authenticate", answer.challenge)
  const empty = answer.status === 204 || answer.status === 205 || answer.status === 304
  return new Response(empty ? null : new Uint8Array(answer.body), { status: answer.status, headers: shown })
}
