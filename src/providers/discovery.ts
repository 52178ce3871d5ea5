// Which model services there are: what the configuration names, keys in the environment, servers on this machine, and always the
// offline model last. Pure but for probeLocal(); secrets are read when they are used, never here.
import { isObject } from "../base/json.ts"
import { FailureError } from "./failure.ts"
import { requestJson } from "./http.ts"
import { type ServiceRow, serviceOf, services } from "./services.ts"
import type { ProviderSettings, Quirks } from "./settings.ts"

/** One entry of `providers` in the configuration. */
export interface ConfiguredProvider {
  service?: string
  wire?: ProviderSettings["wire"]
  baseUrl?: string
  apiKey?: unknown
  headers: Record<string, string>
  models: string[]
  connectTimeoutMs: number
  stallMs: number
  quirks: Quirks
  enabled: boolean
}

export interface DiscoveryInput {
  configured: Record<string, ConfiguredProvider>
  env: Readonly<Record<string, string | undefined>>
  /** Whether to look at the environment's keys. */
  discover: boolean
  /** The configured default model: when it names a server on this machine, that server need not be found first. */
  chosenModel?: string
  /** Reads the configured key of a provider at the moment of use. */
  keyOf: (id: string) => string | undefined
}

export interface Discovered {
  settings: ProviderSettings[]
  /** Model to ask by default per provider id. */
  defaultModels: Map<string, string>
  /** How each provider was found, in words. */
  sources: Map<string, string>
  /** Configured entries that cannot be used, as sentences. */
  problems: string[]
}

const CONNECT_MS = 60_000
const STALL_MS = 120_000

export function discover(input: DiscoveryInput): Discovered {
  const found: Discovered = { settings: [], defaultModels: new Map(), sources: new Map(), problems: [] }
  for (const [id, entry] of Object.entries(input.configured)) if (entry.enabled) addConfigured(found, input, id, entry)
  if (input.discover) for (const row of services) addFromEnvironment(found, input, row)
  addChosen(found, input)
  found.settings.push(offlineSettings())
  found.sources.set("offline", "no model service was found")
  found.defaultModels.set("offline", "rules")
  return found
}

function addConfigured(found: Discovered, input: DiscoveryInput, id: string, entry: ConfiguredProvider): void {
  const row = serviceOf(entry.service ?? id)
  if (entry.service !== undefined && !row) {
    found.problems.push(
      `providers.${id}.service: there is no service "${entry.service}"; known ones: ${services.map((one) => one.id).join(", ")}`,
    )
    return
  }
  const place = placeOf(entry, row, input.env)
  if (!place) {
    found.problems.push(`providers.${id}: name a known "service", or both "wire" and "baseUrl"`)
    return
  }
  const fromEnv = row && entry.apiKey === undefined ? keyVariable(row, input.env) : undefined
  const hasKey = entry.apiKey !== undefined || fromEnv !== undefined || Object.keys(entry.headers).length > 0
  if (!hasKey && row && row.keyEnv.length > 0 && place.baseUrl === row.baseUrl) {
    found.problems.push(`providers.${id} has no key: set providers.${id}.apiKey or ${row.keyEnv[0]}`)
    return
  }
  // A server that usually needs no key has been given one: it is to be sent.
  const given = entry.apiKey === undefined ? {} : { keyless: false }
  found.settings.push({
    id,
    ...place,
    ...(row ? { service: row.id } : {}),
    apiKey: () => (entry.apiKey === undefined ? fromEnv && input.env[fromEnv]?.trim() : input.keyOf(id)),
    headers: entry.headers,
    models: entry.models,
    connectTimeoutMs: entry.connectTimeoutMs,
    stallMs: entry.stallMs,
    quirks: { ...row?.quirks, ...given, ...entry.quirks },
  })
  found.sources.set(id, `providers.${id} in the configuration`)
  const model = entry.models[0] ?? row?.defaultModel
  if (model) found.defaultModels.set(id, model)
}

type Place = Pick<ProviderSettings, "wire" | "baseUrl">

function placeOf(
  entry: ConfiguredProvider,
  row: ServiceRow | undefined,
  env: DiscoveryInput["env"],
): Place | undefined {
  const baseUrl = (entry.baseUrl ?? (row && baseUrlOf(row, env)))?.replace(/\/+$/, "")
  const wire = entry.wire ?? (row && baseUrl !== undefined ? wireOf(row, baseUrl) : undefined)
  return wire && baseUrl ? { wire, baseUrl } : undefined
}

/** A service whose address was moved may be another program that speaks less. */
function wireOf(row: ServiceRow, baseUrl: string): ServiceRow["wire"] {
  return baseUrl === row.baseUrl ? row.wire : (row.movedWire ?? row.wire)
}

function addFromEnvironment(found: Discovered, input: DiscoveryInput, row: ServiceRow): void {
  const variable = keyVariable(row, input.env)
  if (
    !variable ||
    row.local ||
    found.settings.some((one) => one.id === row.id) ||
    input.configured[row.id]?.enabled === false
  )
    return
  found.settings.push(fromRow(row, input.env, () => input.env[variable]?.trim() || undefined))
  found.sources.set(row.id, `the key in ${variable}`)
  if (row.defaultModel) found.defaultModels.set(row.id, row.defaultModel)
}

function addChosen(found: Discovered, input: DiscoveryInput): void {
  const row = serviceOf(input.chosenModel?.split("/")[0] ?? "")
  if (!row?.local || input.configured[row.id] || found.settings.some((one) => one.id === row.id)) return
  found.settings.push(fromRow(row, input.env, () => undefined))
  found.sources.set(row.id, "the default model in the configuration")
}

function keyVariable(row: ServiceRow, env: DiscoveryInput["env"]): string | undefined {
  return row.keyEnv.find((name) => env[name]?.trim())
}

export function fromRow(
  row: ServiceRow,
  env: DiscoveryInput["env"],
  apiKey: () => string | undefined,
): ProviderSettings {
  const baseUrl = baseUrlOf(row, env)
  return {
    id: row.id,
    service: row.id,
    wire: wireOf(row, baseUrl),
    baseUrl,
    apiKey,
    headers: {},
    models: [],
    connectTimeoutMs: CONNECT_MS,
    stallMs: STALL_MS,
    quirks: row.quirks ?? {},
  }
}

function offlineSettings(): ProviderSettings {
  const nothing = { headers: {}, models: ["rules"], connectTimeoutMs: CONNECT_MS, stallMs: STALL_MS, quirks: {} }
  return { id: "offline", wire: "offline", baseUrl: "", apiKey: () => undefined, ...nothing }
}

/** The companion variable moves the base URL; one that is no URL is passed over. OLLAMA_HOST may lack scheme, port and path. */
export function baseUrlOf(row: ServiceRow, env: DiscoveryInput["env"]): string {
  const given = row.baseUrlEnv ? env[row.baseUrlEnv]?.trim() : undefined
  if (!given) return row.baseUrl
  const url = URL.parse(/^https?:\/\//i.test(given) ? given : `http://${given}`)
  if (!url) return row.baseUrl
  if (row.id === "ollama") return ollamaUrl(url, given)
  // Anthropic's and Gemini's companions name the host without the version segment.
  const version = /\/v\d[^/]*$/.exec(row.baseUrl)?.[0] ?? ""
  const base = url.href.replace(/\/+$/, "")
  return row.wire.startsWith("openai") || /\/v\d[^/]*(\/|$)/.test(url.pathname) ? base : base + version
}

function ollamaUrl(url: URL, given: string): string {
  // What a server listens on ("every address") is not what a client connects to.
  if (url.hostname === "0.0.0.0" || url.hostname === "[::]") url.hostname = "127.0.0.1"
  const named = /^(https?:\/\/)?(\[[^\]]*\]|[^:/]*):\d+/i.test(given)
  if (!named && url.protocol === "http:") url.port = "11434"
  return `${url.origin}/v1`
}

export interface LocalServer {
  id: string
  baseUrl: string
  /** Those that write before those that only embed. */
  models: string[]
}

/**
 * Servers on this machine that answer GET /models now. No credential is sent: what listens there is not known. Each is given
 * `timeoutMs` in all; those that do not answer in the expected form are left out.
 */
export async function probeLocal(
  rows: readonly { id: string; baseUrl: string }[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<LocalServer[]> {
  const found = await Promise.all(rows.map((row) => probeOne(row, timeoutMs, signal)))
  return found.filter((one) => one !== undefined)
}

async function probeOne(
  row: { id: string; baseUrl: string },
  timeoutMs: number,
  signal: AbortSignal,
): Promise<LocalServer | undefined> {
  const baseUrl = row.baseUrl.replace(/\/+$/, "")
  const settings: ProviderSettings = { ...offlineSettings(), id: row.id, baseUrl, connectTimeoutMs: timeoutMs }
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    const body = await requestJson(settings, "GET", "/models", {}, undefined, limit)
    const list: unknown = isObject(body) ? body["data"] : undefined
    const ids = (Array.isArray(list) ? list : []).filter(isObject).map((one) => one["id"])
    const models = ids.filter((id) => typeof id === "string")
    if (models.length === 0) return undefined
    const embeds = (id: string) => /embed|rerank/i.test(id)
    return { id: row.id, baseUrl, models: [...models.filter((id) => !embeds(id)), ...models.filter(embeds)] }
  } catch (error) {
    // Nothing there, or nothing that we can use: that is an answer, too.
    if (error instanceof FailureError) return undefined
    throw error
  }
}

/** Local servers come after what the user named and before the offline model. */
export function withLocal(found: Discovered, servers: readonly LocalServer[]): Discovered {
  const known = new Set(found.settings.map((one) => one.id))
  const fresh = servers.filter((one) => !known.has(one.id))
  const added = fresh.map(
    (one): ProviderSettings => ({
      ...offlineSettings(),
      id: one.id,
      wire: "openai-chat",
      baseUrl: one.baseUrl,
      models: one.models,
      quirks: { keyless: true },
      ...(serviceOf(one.id) ? { service: one.id } : {}),
    }),
  )
  const last = found.settings.filter((one) => one.wire === "offline")
  return {
    settings: [...found.settings.filter((one) => one.wire !== "offline"), ...added, ...last],
    defaultModels: new Map([...found.defaultModels, ...fresh.map((one) => [one.id, one.models[0]!] as const)]),
    sources: new Map([...found.sources, ...fresh.map((one) => [one.id, `a server at ${one.baseUrl}`] as const)]),
    problems: found.problems,
  }
}

/** One more service, just before the offline model. */
export function withLastService(
  found: Discovered,
  last: { settings: ProviderSettings; source: string; defaultModel: string | undefined },
): Discovered {
  const { settings, source, defaultModel } = last
  const { id } = settings
  if (found.settings.some((one) => one.id === id)) return found
  const offline = found.settings.filter((one) => one.wire === "offline")
  return {
    settings: [...found.settings.filter((one) => one.wire !== "offline"), settings, ...offline],
    defaultModels:
      defaultModel === undefined ? found.defaultModels : new Map(found.defaultModels).set(id, defaultModel),
    sources: new Map(found.sources).set(id, source),
    problems: found.problems,
  }
}
