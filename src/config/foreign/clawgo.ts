// ClawGo's configuration: strict JSON, snake_case. Durations are seconds, but tools.shell.timeout is nanoseconds.
import { idOf, milliseconds, secretOf, type Transfer, textList } from "./transfer.ts"

const WIRES: Readonly<Record<string, string>> = { chat_completions: "openai-chat", responses: "openai-responses" }
/** Its default, which other programs of one machine may use at once. */
const DEFAULT_PROXY = "proxy"

export function fromClawGo(transfer: Transfer): void {
  transfer.move("gateway.host", ["gateway", "host"])
  transfer.move("gateway.port", ["gateway", "port"])
  transfer.move("gateway.token", ["gateway", "auth", "token"], { as: secretOf, why: "it is empty: Pincer makes one" })
  agents(transfer)
  provider(transfer, "providers.proxy", DEFAULT_PROXY)
  for (const name of transfer.keys("providers.proxies")) provider(transfer, `providers.proxies.${name}`, idOf(name))
  const seconds = { as: milliseconds(1_000) }
  transfer.move("tools.web.search.api_key", ["tools", "search", "apiKey"], { as: secretOf, why: "it is empty" })
  transfer.move("tools.shell.timeout", ["tools", "exec", "timeoutMs"], {
    as: (value) => (typeof value === "number" && value >= 1e6 ? Math.round(value / 1e6) : milliseconds(1_000)(value)),
  })
  transfer.move("tools.shell.enabled", ["policy", "deny"], {
    as: (value) => (value === false ? ["bash"] : undefined),
    why: "commands are on unless a policy denies them",
  })
  transfer.move("cron.max_workers", ["cron", "maxConcurrent"])
  transfer.move("cron.max_sleep_sec", ["cron", "lookMs"], seconds)
  transfer.move("cron.retry_backoff_base_sec", ["cron", "backoffMs"], seconds)
  transfer.move("cron.retry_backoff_max_sec", ["cron", "maxBackoffMs"], seconds)
  transfer.move("cron.max_consecutive_failure_retries", ["cron", "retries"])
  transfer.move("logging.max_size_mb", ["log", "maxBytes"], { as: milliseconds(1_000_000) })
  transfer.move("agents.defaults.runtime_control.run_state_ttl_seconds", ["sessions", "keepDays"], {
    as: () => undefined,
    why: "runs are kept with their sessions (sessions.keepDays)",
  })
  transfer.move("providers.proxy.timeout_sec", ["providers", DEFAULT_PROXY, "stallMs"], seconds)
}

function agents(transfer: Transfer): void {
  const to = ["agents", "defaults"]
  transfer.move("agents.defaults.workspace", [...to, "workspace"])
  transfer.move("agents.defaults.max_tokens", [...to, "maxOutputTokens"])
  transfer.move("agents.defaults.temperature", [...to, "temperature"])
  transfer.move("agents.defaults.max_tool_iterations", [...to, "limits", "maxModelCalls"])
  const named = transfer.peek("agents.defaults.proxy") ?? (transfer.peek("providers.proxy") ? DEFAULT_PROXY : undefined)
  const model = typeof named === "string" ? firstModel(transfer, named) : undefined
  transfer.move("agents.defaults.proxy", [...to, "model"], {
    as: () => model,
    note: "the first model of that proxy",
    why: "that proxy names no model",
  })
  if (transfer.peek("agents.defaults.proxy") === undefined && model !== undefined) transfer.set([...to, "model"], model)
  transfer.move("agents.defaults.proxy_fallbacks", ["models", "fallbackProviders"], {
    as: (value) => textList(value)?.map((name) => idOf(name)),
  })
}

function placeOf(name: string): string {
  return name === DEFAULT_PROXY ? "providers.proxy" : `providers.proxies.${name}`
}

function firstModel(transfer: Transfer, name: string): string | undefined {
  const [first] =
    textList(transfer.peek(`${placeOf(name)}.models`)) ??
    textList(transfer.peek(`providers.proxies.${name}.models`)) ??
    []
  return first === undefined ? undefined : `${idOf(name)}/${first}`
}

function provider(transfer: Transfer, at: string, id: string): void {
  const to = ["providers", id]
  transfer.move(`${at}.api_base`, [...to, "baseUrl"])
  transfer.move(`${at}.api_key`, [...to, "apiKey"], { as: secretOf, why: "it is empty" })
  transfer.move(`${at}.protocol`, [...to, "wire"], { as: (value) => WIRES[String(value)] })
  if (transfer.peek(at) !== undefined && transfer.peek(`${at}.protocol`) === undefined)
    transfer.set([...to, "wire"], "openai-chat")
  transfer.move(`${at}.models`, [...to, "models"], { as: textList })
  if (at !== "providers.proxy") transfer.move(`${at}.timeout_sec`, [...to, "stallMs"], { as: milliseconds(1_000) })
}
