// OpenClaw's configuration (JSON5, camelCase), of the releases from 2026.1 on, and OpenClaw-Py's, which follows it.
import { isObject } from "../../base/json.ts"
import { idOf, milliseconds, secretOf, type Transfer, textList } from "./transfer.ts"

const WIRES: Readonly<Record<string, string>> = {
  "openai-completions": "openai-chat",
  "openai-chat": "openai-chat",
  "openai-responses": "openai-responses",
  "anthropic-messages": "anthropic",
  "google-generative-ai": "gemini",
}
const HOSTS: Readonly<Record<string, string>> = { loopback: "127.0.0.1", lan: "0.0.0.0", all: "0.0.0.0" }
const LEVELS: Readonly<Record<string, string>> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warn: "warn",
  error: "error",
}
const THINKING = ["off", "minimal", "low", "medium", "high", "xhigh"]
const PROFILES = ["minimal", "coding", "messaging", "full"]

export function fromOpenClaw(transfer: Transfer): void {
  gateway(transfer)
  agents(transfer)
  for (const id of transfer.keys("models.providers")) provider(transfer, id)
  tools(transfer)
  for (const [at, root] of [
    ["mcp.servers", "mcp"],
    ["mcpServers", "mcpServers"],
  ] as const)
    if (transfer.peek(root) !== undefined) for (const name of transfer.keys(at)) mcpServer(transfer, at, name)
  const level = (value: unknown) => LEVELS[String(value)]
  transfer.move("logging.level", ["log", "level"], { as: level })
  for (const noise of ["meta", "wizard", "$schema", "$include"]) transfer.skip(noise)
}

function gateway(transfer: Transfer): void {
  transfer.move("gateway.port", ["gateway", "port"])
  const bind = transfer.peek("gateway.bind")
  if (bind === "custom") {
    transfer.skip("gateway.bind")
    transfer.move("gateway.customBindHost", ["gateway", "host"])
  } else
    transfer.move("gateway.bind", ["gateway", "host"], {
      as: (value) => HOSTS[String(value)] ?? (/^[0-9a-f.:]+$/i.test(String(value)) ? value : undefined),
      why: "set gateway.host to the address that is meant",
    })
  const modes = (value: unknown) => (/^(?:token|password|none)$/.test(String(value)) ? value : undefined)
  transfer.move("gateway.auth.mode", ["gateway", "auth", "mode"], { as: modes })
  const why = "its secret comes from a place that Pincer cannot follow: set it by hand"
  transfer.move("gateway.auth.token", ["gateway", "auth", "token"], { as: secretOf, why })
  transfer.move("gateway.auth.password", ["gateway", "auth", "password"], { as: secretOf, why })
  transfer.move("gateway.remote.url", ["gateway", "remote", "url"])
  transfer.move("gateway.remote.token", ["gateway", "remote", "token"], { as: secretOf, why })
  transfer.move("gateway.remote.password", ["gateway", "remote", "password"], { as: secretOf, why })
  transfer.move("gateway.controlUi.allowedOrigins", ["gateway", "allowedOrigins"], { as: textList })
  transfer.move("gateway.trustedProxies", ["gateway", "trustedProxies"], { as: textList })
  if (transfer.peek("gateway.mode") === "local") transfer.skip("gateway.mode")
}

function agents(transfer: Transfer): void {
  fields(transfer, "agents.defaults", ["agents", "defaults"])
  transfer.move("agents.defaults.maxConcurrent", ["turns", "maxConcurrent"])
  transfer.move("agents.defaults.timeoutSeconds", ["agents", "defaults", "limits", "maxTimeMs"], {
    as: milliseconds(1_000),
  })
  for (const id of transfer.keys("agents.entries"))
    fields(transfer, `agents.entries.${id}`, ["agents", "entries", idOf(id)])
  transfer.move("agents.list", ["agents", "entries"], { as: entriesOf, note: "one entry for each agent, by its id" })
}

function fields(transfer: Transfer, at: string, to: readonly string[]): void {
  transfer.move(`${at}.name`, [...to, "name"])
  transfer.move(`${at}.workspace`, [...to, "workspace"])
  if (isObject(transfer.peek(`${at}.model`))) {
    transfer.move(`${at}.model.primary`, [...to, "model"])
    transfer.move(`${at}.model.fallbacks`, [...to, "fallbacks"], { as: textList })
  } else transfer.move(`${at}.model`, [...to, "model"])
  transfer.move(`${at}.thinkingDefault`, [...to, "thinking"], { as: oneOf(THINKING) })
  transfer.move(`${at}.systemPrompt`, [...to, "systemPrompt"])
  policy(transfer, `${at}.tools`, [...to, "policy"])
}

/** The older way of naming agents: a list. */
function entriesOf(value: unknown): unknown {
  if (!Array.isArray(value)) return undefined
  const rows = value.filter(isObject).flatMap((row) => {
    const id = idOf(String(row["id"] ?? ""))
    if (id === "") return []
    const { model, name, workspace } = row
    const primary = isObject(model) ? model["primary"] : model
    const fallbacks = isObject(model) ? textList(model["fallbacks"]) : undefined
    const entry = { name, workspace, model: primary, fallbacks }
    return [[id, Object.fromEntries(Object.entries(entry).filter(([, inner]) => inner !== undefined))] as const]
  })
  return Object.fromEntries(rows)
}

function provider(transfer: Transfer, id: string): void {
  const at = `models.providers.${id}`
  const to = ["providers", idOf(id)]
  transfer.move(`${at}.baseUrl`, [...to, "baseUrl"])
  transfer.move(`${at}.api`, [...to, "wire"], { as: (value) => WIRES[String(value)] })
  transfer.move(`${at}.apiKey`, [...to, "apiKey"], {
    as: secretOf,
    why: "its key comes from a place that Pincer cannot follow",
  })
  transfer.move(`${at}.headers`, [...to, "headers"])
  const list = transfer.peek(`${at}.models`)
  transfer.move(`${at}.models`, [...to, "models"], { as: modelIds, note: "ids; costs become models.prices" })
  for (const model of Array.isArray(list) ? list.filter(isObject) : []) {
    const cost = model["cost"]
    if (typeof model["id"] === "string" && isObject(cost) && typeof cost["input"] === "number")
      transfer.set(["models", "prices", `${idOf(id)}/${model["id"]}`], pricesOf(cost))
  }
}

function pricesOf(cost: Record<string, unknown>): Record<string, number> {
  const names = ["input", "output", "cacheRead", "cacheWrite"] as const
  const found = names.flatMap((name) => (typeof cost[name] === "number" ? [[name, cost[name]] as const] : []))
  return { output: 0, ...Object.fromEntries(found) }
}

function modelIds(value: unknown): unknown {
  if (!Array.isArray(value)) return undefined
  const ids = value.map((item) => (isObject(item) ? item["id"] : item))
  return textList(ids)
}

function tools(transfer: Transfer): void {
  policy(transfer, "tools", ["policy"])
  transfer.move("tools.exec.timeoutSec", ["tools", "exec", "timeoutMs"], { as: milliseconds(1_000) })
  transfer.move("tools.web.search.provider", ["tools", "search", "service"], {
    as: oneOf(["duckduckgo", "brave", "tavily"]),
  })
  transfer.move("tools.web.search.apiKey", ["tools", "search", "apiKey"], { as: secretOf })
  transfer.move("tools.web.fetch.timeoutSeconds", ["tools", "fetch", "timeoutMs"], { as: milliseconds(1_000) })
  transfer.move("tools.elevated.enabled", ["tools", "elevated", "enabled"])
  transfer.move("tools.elevated.allowFrom", ["tools", "elevated", "allowFrom"])
}

function policy(transfer: Transfer, at: string, to: readonly string[]): void {
  transfer.move(`${at}.profile`, [...to, "profile"], { as: oneOf(PROFILES) })
  for (const list of ["allow", "alsoAllow", "deny"] as const)
    transfer.move(`${at}.${list}`, [...to, list], { as: textList })
}

function mcpServer(transfer: Transfer, at: string, name: string): void {
  const to = ["tools", "mcpServers", idOf(name)]
  const from = `${at}.${name}`
  for (const key of ["command", "args", "url", "cwd"] as const) transfer.move(`${from}.${key}`, [...to, key])
  const secrets = (value: unknown) =>
    isObject(value)
      ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, secretOf(inner)]))
      : undefined
  transfer.move(`${from}.env`, [...to, "env"], { as: secrets })
  transfer.move(`${from}.headers`, [...to, "headers"], { as: secrets })
}

function oneOf(allowed: readonly string[]): (value: unknown) => unknown {
  return (value) => (allowed.includes(String(value)) ? value : undefined)
}
