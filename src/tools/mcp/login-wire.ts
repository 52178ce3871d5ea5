// What a sign-in (OAuth 2.1) says on the wire, with the official library: where the service is, who we are there, codes for tokens,
// new tokens for old ones, and taking them back. A service that does not say that it checks codes (PKCE) is refused.
import type { AuthorizationServerMetadata, OAuthClientInformationMixed } from "@modelcontextprotocol/client"
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { McpLibrary } from "./library.ts"
import type { LoginFetch } from "./login-fetch.ts"
import { seenLine } from "./words.ts"

/** A service that hands out tokens for one MCP server, as it describes itself. */
export interface LoginService {
  issuer: string
  metadata: AuthorizationServerMetadata
  /** What tokens are for, by the server's own word; sent with every request for one. */
  resource: string | undefined
  scope: string | undefined
}

export type LoginClient = OAuthClientInformationMixed

export interface Tokens {
  accessToken: string
  refreshToken: string | undefined
  /** Seconds; undefined when the service does not say. */
  expiresIn: number | undefined
  scope: string | undefined
}

/** What a server said when it wanted a sign-in. */
export interface Challenge {
  resourceMetadataUrl?: URL | undefined
  scope?: string | undefined
}

/** Where the server sends people. Throws PincerError when there is no place, or none that may be used. */
export async function findService(
  library: McpLibrary,
  serverUrl: string,
  challenge: Challenge,
  web: LoginFetch,
): Promise<LoginService> {
  const found = await saying(web, "its sign-in could not be looked up", () =>
    library.discoverOAuthServerInfo(serverUrl, {
      ...(challenge.resourceMetadataUrl ? { resourceMetadataUrl: challenge.resourceMetadataUrl } : {}),
      fetchFn: web.fetch,
    }),
  )
  const { authorizationServerMetadata: metadata, resourceMetadata } = found
  if (!metadata) throw web.refusal ?? refusal("it does not say where to sign in, so it may want a header instead")
  if (!metadata.code_challenge_methods_supported?.includes("S256"))
    throw refusal(`${hostOf(metadata.issuer)} does not say that it checks sign-ins (PKCE with S256), so it is not used`)
  for (const place of [metadata.authorization_endpoint, metadata.token_endpoint]) mustBeSafe(place)
  if (
    resourceMetadata &&
    !library.checkResourceAllowed({ requestedResource: serverUrl, configuredResource: resourceMetadata.resource })
  )
    throw refusal(`its description is of another server, ${seenLine(resourceMetadata.resource, 200)}`)
  return {
    issuer: metadata.issuer,
    metadata,
    resource: resourceMetadata?.resource,
    scope: scopeOf(challenge.scope ?? resourceMetadata?.scopes_supported?.join(" "), metadata),
  }
}

/** Without "offline_access" some services hand out nothing that can be renewed. */
function scopeOf(scope: string | undefined, { scopes_supported }: AuthorizationServerMetadata): string | undefined {
  if (!scope || !scopes_supported?.includes("offline_access") || scope.split(" ").includes("offline_access"))
    return scope || undefined
  return `${scope} offline_access`
}

/** Makes Pincer known to the service. */
export async function register(
  library: McpLibrary,
  { metadata, scope }: LoginService,
  redirectUri: string,
  web: LoginFetch,
): Promise<LoginClient> {
  if (metadata.registration_endpoint === undefined)
    throw refusal(
      `${hostOf(metadata.issuer)} takes no new programs by itself. Register Pincer there with a fixed address such as http://127.0.0.1:8976/callback, then set oauth.clientId and oauth.redirectPort of the server`,
    )
  mustBeSafe(metadata.registration_endpoint)
  return saying(web, `${hostOf(metadata.issuer)} did not register Pincer`, () =>
    library.registerClient(metadata.issuer, {
      metadata,
      clientMetadata: {
        client_name: "Pincer",
        redirect_uris: [redirectUri],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "none",
      },
      ...(scope === undefined ? {} : { scope }),
      fetchFn: web.fetch,
    }),
  )
}

/** The page to open, and what proves later that the code is ours. */
export async function authorize(
  library: McpLibrary,
  service: LoginService,
  client: LoginClient,
  place: { redirectUri: string; state: string },
  web: LoginFetch,
): Promise<{ url: string; verifier: string }> {
  const { authorizationUrl, codeVerifier } = await saying(web, "no sign-in can be begun", () =>
    library.startAuthorization(service.issuer, {
      metadata: service.metadata,
      clientInformation: client,
      redirectUrl: place.redirectUri,
      state: place.state,
      ...(service.scope === undefined ? {} : { scope: service.scope }),
      ...(service.resource === undefined ? {} : { resource: service.resource as unknown as URL }),
    }),
  )
  return { url: authorizationUrl.href, verifier: codeVerifier }
}

export async function exchange(
  library: McpLibrary,
  service: LoginService,
  client: LoginClient,
  answer: { code: string; iss: string | undefined; verifier: string; redirectUri: string },
  web: LoginFetch,
): Promise<Tokens> {
  return tokensOf(
    await saying(web, `${hostOf(service.issuer)} gave no token`, () =>
      library.exchangeAuthorization(service.issuer, {
        metadata: service.metadata,
        clientInformation: client,
        authorizationCode: answer.code,
        ...(answer.iss === undefined ? {} : { iss: answer.iss }),
        codeVerifier: answer.verifier,
        redirectUri: answer.redirectUri,
        ...(service.resource === undefined ? {} : { resource: service.resource as unknown as URL }),
        fetchFn: web.fetch,
      }),
    ),
  )
}

/** Throws PincerError: AUTH_REQUIRED when the sign-in counts no more, UNAVAILABLE when that is not known. */
export async function refresh(
  library: McpLibrary,
  service: LoginService,
  client: LoginClient,
  refreshToken: string,
  web: LoginFetch,
): Promise<Tokens> {
  return tokensOf(
    await saying(web, `${hostOf(service.issuer)} did not renew the sign-in`, () =>
      library.refreshAuthorization(service.issuer, {
        metadata: service.metadata,
        clientInformation: client,
        refreshToken,
        ...(service.resource === undefined ? {} : { resource: service.resource as unknown as URL }),
        fetchFn: web.fetch,
      }),
    ),
  )
}

/** RFC 7009. False where the service has no such place. */
export async function revoke(
  { metadata }: Pick<LoginService, "metadata">,
  client: LoginClient,
  token: { value: string; hint: "refresh_token" | "access_token" },
  web: LoginFetch,
): Promise<boolean> {
  const place = "revocation_endpoint" in metadata ? metadata.revocation_endpoint : undefined
  if (typeof place !== "string") return false
  mustBeSafe(place)
  const body = new URLSearchParams({ token: token.value, token_type_hint: token.hint })
  const headers: Record<string, string> = { "content-type": "application/x-www-form-urlencoded" }
  if (client.client_secret === undefined) body.set("client_id", client.client_id)
  else headers["authorization"] = basic(client.client_id, client.client_secret)
  const { status } = await web.fetch(place, { method: "POST", headers, body: body.toString() })
  if (status >= 400) throw refusal(`${hostOf(place)} did not take the token back (HTTP ${status})`)
  return true
}

function basic(id: string, secret: string): string {
  const pair = `${encodeURIComponent(id)}:${encodeURIComponent(secret)}`
  return `Basic ${Buffer.from(pair).toString("base64")}`
}

function tokensOf(raw: { access_token: string; refresh_token?: string; expires_in?: number; scope?: string }): Tokens {
  const { access_token, expires_in, refresh_token, scope } = raw
  for (const token of [access_token, refresh_token ?? ""])
    if (token.length > 64 * 1024 || /[^\x21-\x7e]/.test(token)) throw refusal("it gave a token that no header can hold")
  return { accessToken: access_token, refreshToken: refresh_token, expiresIn: expires_in, scope }
}

/** Pages that a browser is sent to and places that get tokens: https, or this machine. */
function mustBeSafe(place: string): void {
  const url = URL.canParse(place) ? new URL(place) : undefined
  const local = url?.protocol === "http:" && /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname)
  if (url && (url.protocol === "https:" || local)) return
  throw refusal(`"${seenLine(place, 200)}" is no https address, so nobody is sent there to sign in`)
}

/** Runs it; what goes wrong is told in our words, and what the service says of it in few of its own. */
async function saying<T>(web: LoginFetch, what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof PincerError) throw error
    // What another service wrote into its answer is not repeated.
    if (error instanceof Error && error.name === "IssuerMismatchError")
      throw refusal("the answer comes from another service than the one that was asked, so it is not used", error)
    const code = isObject(error) && typeof error["code"] === "string" ? error["code"] : ""
    const gone = code === "invalid_grant" || code === "invalid_client" || code === "unauthorized_client"
    const said = seenLine(saidBy(error), 200)
    const why = web.refusal ? web.refusal.message : [code, said].filter((one) => one !== "").join(": ")
    throw new PincerError(gone ? "AUTH_REQUIRED" : "UNAVAILABLE", `${what}: ${why}`, { cause: error, retryable: !gone })
  }
}

/** What is no answer of the protocol is named by its status, and never repeated. A schema's complaint is long, and none of it helps. */
function saidBy(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === "ZodError" || error instanceof SyntaxError)
    return "it answered something that is no answer to that"
  if ("status" in error && typeof error.status === "number") return `HTTP ${error.status}`
  return /^HTTP \d{3}/.exec(error.message)?.[0] ?? error.message
}

function refusal(message: string, cause?: unknown): PincerError {
  return new PincerError("UNAVAILABLE", message, { retryable: false, ...(cause === undefined ? {} : { cause }) })
}

function hostOf(issuer: string): string {
  return URL.canParse(issuer) ? new URL(issuer).host : seenLine(issuer, 100)
}
