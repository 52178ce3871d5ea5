// Which model services there are: what the configuration names, keys in the environment, servers on this machine, and always the
// offline model last. Pure but for probeLocal(); secrets are read when they are used, never here.

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
  const wire = entry.wire ?? row?.wire
  const baseUrl = entry.baseUrl ?? (row && baseUrlOf(row, input.env))
  if (!wire || !baseUrl) {
    found.problems.push(`providers.${id}: name a known "service", or both "wire" and "baseUrl"`)
    return
  }
  const fromEnv = row && entry.apiKey === undefined ? keyVariable(row, input.env) : undefined
  found.settings.push({
    id,
    wire,
    baseUrl: baseUrl.replace(/\/+$/, ""),
    apiKey: () => (entry.apiKey === undefined ? fromEnv && input.env[fromEnv]?.trim() : input.keyOf(id)),
    headers: entry.headers,
    models: entry.models,
    connectTimeoutMs: entry.connectTimeoutMs,
    stallMs: entry.stallMs,
    quirks: { ...row?.quirks, ...entry.quirks },
  })
  found.sources.set(id, `providers.${id} in the configuration`)
  const model = entry.models[0] ?? row?.defaultModel
  if (model) found.defaultModels.set(id, model)
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

function keyVariable(row: ServiceRow, env: DiscoveryInput["env"]): string | undefined {
  return row.keyEnv.find((name) => env[name]?.trim())
}

export function fromRow(
  row: ServiceRow,
  env: DiscoveryInput["env"],
  apiKey: () => string | undefined,
): ProviderSettings {
  return {
    id: row.id,
    wire: row.wire,
    baseUrl: baseUrlOf(row, env),
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

/** The companion variable moves the base URL; OLLAMA_HOST may lack scheme, port and path. */
export function baseUrlOf(row: ServiceRow, env: DiscoveryInput["env"]): string {
  const given = row.baseUrlEnv ? env[row.baseUrlEnv]?.trim() : undefined
  if (!given) return row.baseUrl
  if (row.id !== "ollama") {
    // Anthropic's and Gemini's companions name the host without the version segment.
    const version = /\/v\d[^/]*$/.exec(row.baseUrl)?.[0] ?? ""
    const base = given.replace(/\/+$/, "")
    return /\/v\d[^/]*(\/|$)/.test(base) || row.wire.startsWith("openai") ? base : base + version
  }
  const url = new URL(/^https?:\/\//.test(given) ? given : `http://${given}`)
  if (url.hostname === "0.0.0.0") url.hostname = "127.0.0.1"
  if (url.port === "" && url.protocol === "http:") url.port = "11434"
  return `${url.origin}/v1`
}

export interface LocalServer {
  id: string
  baseUrl: string
  models: string[]
}

/**
 * Servers on this machine that answer GET /models now. No credential is sent: what listens there is not known. Each is given
 * `timeoutMs`; those that do not answer in the expected form are left out.
 */
export async function probeLocal(
  rows: readonly { id: string; baseUrl: string }[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<LocalServer[]> {
  const asked = rows.map(async (row): Promise<LocalServer | undefined> => {
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
      const response = await fetch(`${row.baseUrl}/models`, { signal: limit, redirect: "error" })
      if (!response.ok || !/json/.test(response.headers.get("content-type") ?? "")) {
        await response.body?.cancel()
        return undefined
      }
      const body = (await response.json()) as { data?: unknown }
      const list = Array.isArray(body.data) ? body.data : []
      const models = list.flatMap((one: { id?: unknown }) => (typeof one?.id === "string" ? [one.id] : []))
      return models.length > 0 ? { id: row.id, baseUrl: row.baseUrl, models } : undefined
    } catch {
      // Nothing there, or nothing that we can use: that is an answer, too.
      return undefined
    }
  })
  return (await Promise.all(asked)).filter((one) => one !== undefined)
}
