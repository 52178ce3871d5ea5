// The sign-in of one MCP server that is an address: begun and finished by a person, its tokens kept on a shelf that is handed in, used
// for that very address only, renewed by one at a time, taken back at the end. No token is ever part of a message.
import { timingSafeEqual } from "node:crypto"
import type { AuthorizationServerMetadata } from "@modelcontextprotocol/client"
import type { Clock } from "../../base/clock.ts"
import { asPincerError, PincerError } from "../../base/errors.ts"
import { secret } from "../../base/id.ts"
import type { Logger } from "../../base/log.ts"
import type { McpLibrary } from "./library.ts"
import { type LoginFetch, loginFetch } from "./login-fetch.ts"
import * as wire from "./login-wire.ts"
import { seenLine } from "./words.ts"

export type { Challenge } from "./login-wire.ts"

/** How long a person may take. */
export const LOGIN_MS = 10 * 60_000
const REQUEST_MS = 20_000
/** Tokens are renewed so long before they end. */
const EARLY_MS = 30_000

/** What is kept of a sign-in. */
export interface LoginRecord {
  /** The MCP server's; the tokens are for no other. */
  url: string
  issuer: string
  metadata: AuthorizationServerMetadata
  clientId: string
  /** Given by the service when it registered us. */
  clientSecret?: string
  resource?: string
  scope?: string
  accessToken: string
  refreshToken?: string
  expiresAt?: number
}

export interface LoginShelf {
  read(): LoginRecord | undefined
  /** On disk when it returns. Throws. */
  write(record: LoginRecord): void
  remove(): void
  /** Runs it while nobody else, in this process or another, does. Throws TIMEOUT, and the signal's reason. */
  alone<T>(run: () => Promise<T>, signal: AbortSignal): Promise<T>
}

export interface LoginPorts {
  clock: Clock
  log: Logger
  shelf: LoginShelf
  /** Hosts that may be private besides the server's own. */
  allowHosts(): readonly string[]
  /** Keeps a secret out of whatever leaves. */
  hide(secret: string): void
  /** Where the owner registered Pincer himself. */
  client?: { id: string; secret(): string | undefined }
  /** What is asked for; default: what the server says. */
  scope?: string
}

interface Pending {
  service: wire.LoginService
  client: wire.LoginClient
  redirectUri: string
  state: string
  verifier: string
  until: number
}

export class ServerLogin {
  readonly #name: string
  readonly #url: string
  readonly #ports: LoginPorts
  #pending: Pending | undefined
  #challenge: wire.Challenge | undefined
  #wanted = false

  constructor(name: string, url: string, ports: LoginPorts) {
    this.#name = name
    this.#url = url
    this.#ports = ports
  }

  /** "none": nobody signed in, and so far the server did not ask for it. */
  get state(): "none" | "signed-in" | "needed" {
    if (this.#wanted) return "needed"
    return this.#record() ? "signed-in" : "none"
  }

  /** The server answered that it wants a sign-in, or more rights than this one has. */
  heard(challenge: wire.Challenge): void {
    this.#challenge = challenge
    this.#wanted = true
  }

  /** What requests carry now; renewed first when it is about to end. */
  async token(): Promise<string | undefined> {
    const record = this.#record()
    if (!record) return undefined
    const ends = record.expiresAt
    if (ends === undefined || record.refreshToken === undefined || this.#ports.clock.now() < ends - EARLY_MS)
      return record.accessToken
    try {
      return await this.#renewed(record.accessToken)
    } catch (error) {
      const known = asPincerError(error)
      if (known.code === "AUTH_REQUIRED" || this.#ports.clock.now() >= ends) throw known
      return record.accessToken
    }
  }

  /** The server did not take `failed`. Resolves when there is another one; throws AUTH_REQUIRED when a person must sign in. */
  async renew(failed: string | undefined): Promise<void> {
    if (failed === undefined) throw this.#needed("it wants you to sign in")
    await this.#renewed(failed)
  }

  async #renewed(failed: string): Promise<string> {
    const { shelf } = this.#ports
    const signal = AbortSignal.timeout(3 * REQUEST_MS)
    return shelf.alone(async () => {
      const record = this.#record()
      if (!record) throw this.#needed("the sign-in ended")
      // Somebody else renewed it while we waited.
      if (record.accessToken !== failed) {
        this.#wanted = false
        return record.accessToken
      }
      if (record.refreshToken === undefined) throw this.#over("the sign-in ended")
      const library = await import("@modelcontextprotocol/client")
      const service = { ...record, resource: record.resource, scope: record.scope }
      try {
        const tokens = await wire.refresh(
          library,
          service,
          this.#client(record),
          record.refreshToken,
          this.#web(signal),
        )
        const next = this.#keep({ ...record, ...this.#fieldsOf(tokens, record) })
        this.#ports.log.info({ server: this.#name }, "The sign-in of an MCP server was renewed")
        return next.accessToken
      } catch (error) {
        const known = asPincerError(error)
        if (known.code === "AUTH_REQUIRED") throw this.#over("the sign-in counts no more")
        throw known
      }
    }, signal)
  }

  /** The page that a person opens. `redirectUri`: where the answer is waited for. Throws PincerError. */
  async begin(redirectUri: string, signal: AbortSignal): Promise<{ url: string; until: number }> {
    mustBeLoopback(redirectUri)
    const library = await import("@modelcontextprotocol/client")
    const web = this.#web(signal)
    try {
      const challenge = this.#challenge ?? (await this.#ask(library, web))
      const found = await wire.findService(library, this.#url, challenge, web)
      const scope = this.#ports.scope ?? found.scope
      const service = { ...found, scope }
      const own = this.#ports.client
      const client = own ? ownClient(own) : await wire.register(library, service, redirectUri, web)
      const state = secret()
      const { url, verifier } = await wire.authorize(library, service, client, { redirectUri, state }, web)
      const until = this.#ports.clock.now() + LOGIN_MS
      this.#pending = { service, client, redirectUri, state, verifier, until }
      return { url, until }
    } catch (error) {
      signal.throwIfAborted()
      throw this.#named(error)
    }
  }

  /** What the server wants to be asked with; nothing when it does not say. */
  async #ask(library: McpLibrary, web: LoginFetch): Promise<wire.Challenge> {
    const hello = { jsonrpc: "2.0", id: 1, method: "initialize", params: HELLO }
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" }
    const answer = await web.fetch(this.#url, { method: "POST", headers, body: JSON.stringify(hello) })
    return answer.status === 401 ? library.extractWWWAuthenticateParams(answer) : {}
  }

  /** `answer`: the address that the browser was sent to at last, or its query. Throws PincerError; a wrong one leaves the sign-in open. */
  async finish(answer: string, signal: AbortSignal): Promise<void> {
    const pending = this.#pending
    if (!pending || this.#ports.clock.now() > pending.until)
      throw this.#named(refusal("NOT_FOUND", `no sign-in is open: type "${this.command}"`))
    const query = new URLSearchParams(
      /[?]/.test(answer) ? answer.slice(answer.indexOf("?") + 1).replace(/#.*/s, "") : answer,
    )
    if (!same(query.get("state") ?? "", pending.state))
      throw this.#named(refusal("PERMISSION_DENIED", "this answer does not belong to the sign-in that is open"))
    this.#pending = undefined
    const code = query.get("code")
    if (code === null || query.has("error")) throw this.#named(this.#refused(query))
    this.#ports.hide(code)
    const library = await import("@modelcontextprotocol/client")
    const { client, redirectUri, service, verifier } = pending
    try {
      const proof = { code, iss: query.get("iss") ?? undefined, verifier, redirectUri }
      const tokens = await wire.exchange(library, service, client, proof, this.#web(signal))
      const { issuer, metadata, resource, scope } = service
      const registered = this.#ports.client ? undefined : client.client_secret
      const kept = { url: this.#url, issuer, metadata, clientId: client.client_id }
      await this.#ports.shelf.alone(async () => {
        this.#keep({
          ...kept,
          ...(registered === undefined ? {} : { clientSecret: registered }),
          ...(resource === undefined ? {} : { resource }),
          ...(scope === undefined ? {} : { scope }),
          ...this.#fieldsOf(tokens, undefined),
        })
      }, signal)
    } catch (error) {
      signal.throwIfAborted()
      throw this.#named(error)
    }
    this.#challenge = undefined
  }

  #refused(query: URLSearchParams): PincerError {
    const said = [query.get("error"), query.get("error_description")].filter((one) => one !== null && one !== "")
    const why = said.length > 0 ? seenLine(said.join(": "), 300) : "it gave no code"
    return refusal("PERMISSION_DENIED", `the sign-in was refused (${why}): type "${this.command}" to try again`)
  }

  /** Takes the tokens back and forgets them; `revoked` tells whether the service took part. Never fails for the service's sake. */
  async end(signal: AbortSignal): Promise<{ signedIn: boolean; revoked: boolean; problem?: string }> {
    this.#pending = undefined
    const { log, shelf } = this.#ports
    return shelf.alone(async () => {
      const record = this.#record()
      shelf.remove()
      this.#wanted = false
      if (!record) return { signedIn: false, revoked: false }
      const { accessToken, refreshToken } = record
      try {
        const web = this.#web(signal)
        const client = this.#client(record)
        let revoked = false
        if (refreshToken !== undefined)
          revoked = await wire.revoke(record, client, { value: refreshToken, hint: "refresh_token" }, web)
        revoked = (await wire.revoke(record, client, { value: accessToken, hint: "access_token" }, web)) || revoked
        return { signedIn: true, revoked }
      } catch (error) {
        const { message } = asPincerError(error)
        log.info(
          { server: this.#name, reason: message },
          "A sign-in was forgotten here, and not taken back where it came from",
        )
        return { signedIn: true, revoked: false, problem: message }
      }
    }, signal)
  }

  get command(): string {
    return `pincer mcp login ${this.#name}`
  }

  #record(): LoginRecord | undefined {
    const record = this.#ports.shelf.read()
    if (!record || record.url !== this.#url) return undefined
    this.#hide(record)
    return record
  }

  #keep(record: LoginRecord): LoginRecord {
    this.#hide(record)
    this.#ports.shelf.write(record)
    this.#wanted = false
    return record
  }

  #hide({ accessToken, clientSecret, refreshToken }: LoginRecord): void {
    for (const one of [accessToken, refreshToken, clientSecret]) if (one !== undefined) this.#ports.hide(one)
  }

  #fieldsOf(tokens: wire.Tokens, before: LoginRecord | undefined) {
    const refreshToken = tokens.refreshToken ?? before?.refreshToken
    const scope = tokens.scope ?? before?.scope
    return {
      accessToken: tokens.accessToken,
      ...(refreshToken === undefined ? {} : { refreshToken }),
      ...(scope === undefined ? {} : { scope }),
      expiresAt: tokens.expiresIn === undefined ? undefined : this.#ports.clock.now() + tokens.expiresIn * 1_000,
    } as Pick<LoginRecord, "accessToken" | "refreshToken" | "scope"> & { expiresAt?: number }
  }

  #client({ clientId, clientSecret }: LoginRecord): wire.LoginClient {
    if (this.#ports.client?.id === clientId) return ownClient(this.#ports.client)
    return { client_id: clientId, ...(clientSecret === undefined ? {} : { client_secret: clientSecret }) }
  }

  #web(signal: AbortSignal): LoginFetch {
    const allowHosts = [new URL(this.#url).hostname, ...this.#ports.allowHosts()]
    return loginFetch({ timeoutMs: REQUEST_MS, allowHosts, signal })
  }

  /** What is left of it is of no use. */
  #over(why: string): PincerError {
    this.#ports.shelf.remove()
    return this.#needed(why)
  }

  #needed(why: string): PincerError {
    this.#wanted = true
    return refusal("AUTH_REQUIRED", `${why}: type "${this.command}"`)
  }

  #named(error: unknown): PincerError {
    const { code, message, retryable } = asPincerError(error)
    const name = `MCP server "${seenLine(this.#name, 60)}"`
    return new PincerError(code, message.startsWith(name) ? message : `${name}: ${message}`, {
      cause: error,
      retryable,
    })
  }
}

const HELLO = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "pincer", version: "0" } }

function ownClient({ id, secret: read }: NonNullable<LoginPorts["client"]>): wire.LoginClient {
  const value = read()
  return { client_id: id, ...(value === undefined ? {} : { client_secret: value }) }
}

/** The browser's answer comes back to this machine or the one where the person sits, never to a third. */
function mustBeLoopback(redirectUri: string): void {
  const url = URL.canParse(redirectUri) ? new URL(redirectUri) : undefined
  if (url?.protocol === "http:" && /^(?:127\.0\.0\.1|localhost|\[::1\])$/.test(url.hostname) && url.hash === "") return
  throw refusal(
    "INVALID_PARAMS",
    `"${seenLine(redirectUri, 200)}" is no address of this machine, like http://127.0.0.1:8976/callback`,
  )
}

function same(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function refusal(code: PincerError["code"], message: string): PincerError {
  return new PincerError(code, message, { retryable: false })
}
