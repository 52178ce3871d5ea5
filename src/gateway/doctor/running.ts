// Checks of a gateway that runs, or of what it would need to: its port, its service, its version and clock, its model and the hands it has.
import { createServer } from "node:net"
import { asPincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import { openSandbox } from "../../sandbox/index.ts"
import { type Check, type CheckFinding, type DoctorRoom, NO_CONFIG, ok, problem, skipped, warning } from "./check.ts"

type Fields = Record<string, unknown>

const MAX_CLOCK_SKEW_MS = 60_000
const ASK_MS = 5_000
const PROBE_MS = 20_000

async function port({ running, inside, config, portHolder }: DoctorRoom): Promise<CheckFinding> {
  if (running) return ok(`Port ${running.port} is the gateway's`)
  if (inside) return ok("The port is the gateway's")
  if ("refused" in config) return skipped(NO_CONFIG)
  const { host, port: number } = config.loaded.config.gateway
  if (number === 0) return ok("Any free port")
  const code = await listens(host, number)
  if (code === undefined) return ok(`Port ${number} on ${host} is free`)
  if (code !== "EADDRINUSE")
    return problem(`Port ${number} on ${host} cannot be opened (${code})`, "pincer config set gateway.port 18790")
  const holder = await portHolder?.(host, number)
  const who = holder?.process ? `${holder.process.name} (pid ${holder.process.pid})` : "another program"
  const what = holder?.kind === "gateway" ? `${who}, a gateway of another home` : who
  return problem(`Port ${number} on ${host} is taken by ${what}`, "pincer config set gateway.port 18790")
}

/** Undefined when it can be listened at, else the system's word. */
function listens(host: string, number: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port: number, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

async function service(room: DoctorRoom): Promise<CheckFinding> {
  if (!room.service) return ok("The gateway does not look at its own service")
  const found = await room.service()
  if (!found) return ok("No service is installed for this home")
  if (found.drift !== undefined)
    return warning(
      `The service ${found.file} is not what would be written today: ${found.drift}`,
      "pincer gateway install",
    )
  if (found.failed) return problem(`The service ${found.file} has failed: ${found.words}`, "pincer logs --level error")
  return ok(`The service ${found.file} is as it should be`)
}

async function reachable(room: DoctorRoom): Promise<CheckFinding> {
  const look = await room.reach()
  switch (look.state) {
    case "none":
      return { verdict: "skipped", text: "No gateway runs", fix: "pincer gateway start" }
    case "silent":
      return problem(look.why, look.fix)
    case "answers":
      return ok(`${look.name} answered in ${look.tookMs} ms`)
    default:
      return look satisfies never
  }
}

/** For checks that a gateway has to answer. */
function asking(
  judge: (
    ask: (method: string, params?: Fields, timeoutMs?: number) => Promise<Fields>,
    room: DoctorRoom,
  ) => Promise<CheckFinding>,
): (room: DoctorRoom) => Promise<CheckFinding> {
  return async (room) => {
    const look = await room.reach()
    if (look.state === "none") return skipped("No gateway runs")
    if (look.state === "silent") return skipped("The gateway does not answer")
    return judge((method, params = {}, timeoutMs = ASK_MS) => look.ask(method, params, timeoutMs), room)
  }
}

const version = asking(async (ask, room) => {
  const gateway = await ask("status")
  const theirs = String(gateway["version"] ?? "?")
  if (theirs === room.version) return ok(`Version ${theirs}`)
  return warning(`The gateway is version ${theirs}, this command ${room.version}`, "pincer gateway restart")
})

const clock = asking(async (ask, room) => {
  const { startedAt, uptimeMs } = await ask("status")
  if (typeof startedAt !== "number" || typeof uptimeMs !== "number") return skipped("The gateway does not say its time")
  const skew = Math.round(startedAt + uptimeMs - room.clock.now())
  if (Math.abs(skew) <= MAX_CLOCK_SKEW_MS) return ok("Same time here and at the gateway")
  return problem(
    `The gateway's clock differs by ${Math.round(skew / 1000)} s`,
    "set the clock of the machine that is wrong",
  )
})

const modelConfigured = asking(async (ask) => {
  const gateway = await ask("status")
  const model = isObject(gateway["model"]) ? gateway["model"] : {}
  if (model["provider"] !== "offline") return ok(String(model["why"] ?? "?"))
  const suggestion = typeof gateway["suggestion"] === "string" ? `. ${gateway["suggestion"]}` : ""
  const fix = "pincer config set agents.defaults.model provider/model"
  return warning(`No language model is configured: fixed rules answer${suggestion}`, fix)
})

const modelReachable = asking(async (ask) => {
  const gateway = await ask("status")
  const model = isObject(gateway["model"]) ? gateway["model"] : {}
  const name = `${String(model["provider"])}/${String(model["model"])}`
  const params = { provider: model["provider"], model: model["model"], timeoutMs: PROBE_MS }
  const probe = await ask("models.probe", params, PROBE_MS + 2_000)
  if (probe["available"] === true) return ok(`${name} answered in ${Math.round(Number(probe["latencyMs"]))} ms`)
  return problem(`${name}: ${String(probe["error"] ?? probe["status"])}`, "pincer models list")
})

/** Tried for real where no gateway tells. */
async function sandbox(room: DoctorRoom): Promise<CheckFinding> {
  const look = await room.reach()
  const told = look.state === "answers" ? (await look.ask("status", {}, ASK_MS))["sandbox"] : undefined
  if (isObject(told)) return sandboxFinding(told)
  if ("refused" in room.config) return skipped(NO_CONFIG)
  const { config, paths } = room.config.loaded
  const own = openSandbox(config.sandbox, { path: room.env["PATH"] ?? "", hidden: [paths.home] })
  try {
    return sandboxFinding({ ...(await own.report()) })
  } finally {
    own.close()
  }
}

function sandboxFinding({ available, backend, detail, install }: Fields): CheckFinding {
  if (available === true) return ok(`Commands are confined by ${String(backend)}`)
  const text = `Commands cannot be confined: each is asked for or refused (${String(detail)})`
  return warning(text, typeof install === "string" ? install : "pincer sandbox explain")
}

const agents = asking(async (ask) => {
  const rows = rowsOf(await ask("agents.list"), "agents")
  const hosted = rows.filter((row) => row["runsOn"] === "acp" && row["configured"] === true)
  const missing = hosted.filter((row) => row["installed"] !== true)
  if (missing.length === 0)
    return ok(
      hosted.length === 0 ? "No external agent is configured" : `All ${hosted.length} external agents are installed`,
    )
  const [first] = missing
  const fix =
    typeof first?.["install"] === "string" ? first["install"] : `pincer agents doctor ${String(first?.["id"])}`
  return problem(`Not installed: ${missing.map((row) => String(row["id"])).join(", ")}`, fix)
})

const servers = optional("mcp.status", "No MCP server is configured", (answer) => {
  const rows = rowsOf(answer, "servers").filter((row) => row["enabled"] !== false)
  if (rows.length === 0) return ok("No MCP server is configured")
  const failed = rows.filter((row) => row["state"] === "failed").map((row) => String(row["name"]))
  if (failed.length > 0) return problem(`MCP servers that do not answer: ${failed.join(", ")}`, "pincer mcp status")
  return ok(`${rows.length} MCP ${rows.length === 1 ? "server is" : "servers are"} configured, none has failed`)
})

const schedules = optional("cron.list", "There are no schedules", (answer) => {
  const rows = rowsOf(answer, "jobs")
  const failing = rows.filter((row) => {
    const state = isObject(row["state"]) ? row["state"] : {}
    return row["enabled"] !== false && ["error", "failed"].includes(String(state["lastStatus"]))
  })
  if (rows.length === 0) return ok("There are no schedules")
  if (failing.length === 0) return ok(`${rows.length} schedules, the last tick of none failed`)
  const names = failing.map((row) => String(row["name"] ?? row["id"]))
  return warning(`The last tick failed of ${names.join(", ")}`, "pincer cron list")
})

const autonomy = optional("autonomy.get", "Work begins by itself", ({ enabled, schedules: found }) => {
  if (enabled !== false) return ok("Schedules and heartbeats begin by themselves")
  const active = isObject(found) ? Number(found["active"]) : 0
  if (active === 0) return ok("Autonomy is off, and nothing is scheduled")
  const many = active === 1 ? "1 schedule is switched on" : `${active} schedules are switched on`
  return warning(`${many}, but autonomy is off: each tick is skipped`, "pincer gateway autonomy on")
})

const devices = optional("device.pair.list", "No device is known", (answer) => {
  const pending = rowsOf(answer, "pending").length
  if (pending === 0) return ok(`${rowsOf(answer, "paired").length} devices are paired, none waits`)
  const many = pending === 1 ? "1 device waits" : `${pending} devices wait`
  return warning(`${many} to be let in`, "pincer device list")
})

/** Of a method that an older gateway lacks. */
function optional(
  method: string,
  none: string,
  judge: (answer: Fields) => CheckFinding,
): (room: DoctorRoom) => Promise<CheckFinding> {
  return asking(async (ask) => {
    try {
      return judge(await ask(method))
    } catch (error) {
      if (asPincerError(error).code === "METHOD_NOT_FOUND") return ok(none)
      throw error
    }
  })
}

function rowsOf(answer: Fields, name: string): Fields[] {
  const rows = answer[name]
  return Array.isArray(rows) ? rows.filter(isObject) : []
}

export const runningChecks: readonly Check[] = [
  { id: "port.available", category: "gateway", about: "the port is free, or the gateway's", run: port },
  {
    id: "service.unit",
    category: "gateway",
    about: "an installed service is what would be written today",
    run: service,
  },
  { id: "gateway.reachable", category: "gateway", about: "the gateway answers", run: reachable },
  { id: "gateway.version", category: "gateway", about: "gateway and command are of one version", run: version },
  { id: "clock", category: "machine", about: "the gateway's clock agrees with this one", run: clock },
  { id: "model.configured", category: "models", about: "a language model answers", run: modelConfigured },
  {
    id: "model.reachable",
    category: "models",
    about: "the model service can be reached with its key",
    run: modelReachable,
  },
  { id: "sandbox.available", category: "tools", about: "commands can be confined here", security: true, run: sandbox },
  {
    id: "agents.installed",
    category: "tools",
    about: "external agents of the configuration are installed",
    run: agents,
  },
  { id: "mcp.servers", category: "tools", about: "MCP servers answer", run: servers },
  { id: "schedules.failing", category: "work", about: "schedules whose last tick failed", run: schedules },
  { id: "autonomy", category: "work", about: "schedules are on and autonomy is off", run: autonomy },
  { id: "devices.pending", category: "gateway", about: "devices that wait to be let in", security: true, run: devices },
]
