// `pincer doctor`: one check after the other, each with a stable id. Reads only: it starts nothing, makes nothing, changes no mode.
import { accessSync, constants, readFileSync, statfsSync, statSync } from "node:fs"
import { createServer } from "node:net"
import { dirname } from "node:path"
import { asPincerError, PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { type GatewayInfo, runningGateway } from "../config/gateway-file.ts"
import { type LoadedConfig, loadConfig } from "../config/load.ts"
import { envValue, type Paths, resolvePaths } from "../config/paths.ts"
import type { Cli } from "./cli.ts"
import { called, openClient, otherGateway, type Target } from "./connect.ts"
import { inert } from "./inert.ts"
import { Exit } from "./report.ts"
import { bytes } from "./status.ts"
import { stringOf } from "./turn.ts"

export type Verdict = "ok" | "warning" | "problem" | "skipped"

export interface Check {
  /** Stable: scripts may look for it. */
  id: string
  verdict: Verdict
  text: string
  /** What to do about it. */
  fix?: string
}

/** Sentences about rules that do not mean what they seem to. */
type PolicyWarnings = (config: LoadedConfig["config"]) => string[]
type InspectDatabase = (path: string, inUse: boolean) => { state: "absent" | "good" | "bad"; text: string }

const MIN_NODE = 24
const LOW_DISK = 1_000_000_000
const NO_DISK = 100_000_000
const MAX_CLOCK_SKEW_MS = 60_000
const PROBE_MS = 20_000

/** Throws Exit(1) when something is wrong. */
export async function examine(
  cli: Cli,
  flags: { json?: boolean },
  look: { inspectDatabase: InspectDatabase; policyWarnings: PolicyWarnings },
): Promise<void> {
  const checks: Check[] = []
  for await (const check of allChecks(cli, look)) {
    checks.push(check)
    if (!flags.json) show(cli, check)
  }
  const wrong = checks.filter((check) => check.verdict === "problem")
  if (flags.json) cli.out.json({ ok: wrong.length === 0, checks })
  else {
    const { out } = cli
    if (wrong.length === 0) out.line(out.paint("Nothing is wrong.", "green", "bold"))
    else out.line(out.paint(`${wrong.length} ${wrong.length === 1 ? "problem" : "problems"}.`, "red", "bold"))
  }
  if (wrong.length > 0) throw new Exit(1)
}

function show({ out }: Cli, { id, verdict, text, fix }: Check): void {
  const signs = { ok: ["✓", "green"], warning: ["!", "yellow"], problem: ["✗", "red"], skipped: ["-", "dim"] } as const
  const [sign, style] = signs[verdict]
  out.line(`${out.paint(sign, style)} ${id.padEnd(18)} ${inert(text)}`)
  if (fix !== undefined) out.line(`${" ".repeat(21)}${out.paint("fix:", "dim")} ${inert(fix)}`)
}

async function* allChecks(
  cli: Cli,
  { inspectDatabase, policyWarnings }: { inspectDatabase: InspectDatabase; policyWarnings: PolicyWarnings },
): AsyncGenerator<Check> {
  const paths = resolvePaths(cli.env, cli.flags)
  const running = runningGateway(paths.home)
  const config = readConfig(cli)
  yield nodeVersion()
  yield homeFolder(paths)
  yield config.check
  yield rules(config.loaded, policyWarnings)
  yield tokenFile(paths)
  yield diskSpace(paths)
  yield database(paths, running, inspectDatabase)
  yield await portFree(config.loaded, running)
  yield* throughGateway(cli, paths, running)
}

function nodeVersion(): Check {
  const id = "node.version"
  const major = Number(process.versions.node.split(".")[0])
  if (major >= MIN_NODE) return { id, verdict: "ok", text: `Node ${process.versions.node}` }
  return {
    id,
    verdict: "problem",
    text: `Node ${process.versions.node} is older than ${MIN_NODE}`,
    fix: "install Node 24 from https://nodejs.org",
  }
}

function homeFolder({ home }: Paths): Check {
  const id = "home.permissions"
  const stat = statSync(home, { throwIfNoEntry: false })
  if (!stat) {
    const parent = nearestFolder(home)
    if (mayWrite(parent)) return { id, verdict: "ok", text: `${home} does not exist yet and can be made` }
    return {
      id,
      verdict: "problem",
      text: `${home} does not exist and ${parent} cannot be written`,
      fix: "set PINCER_HOME to a folder of yours",
    }
  }
  if (!stat.isDirectory())
    return { id, verdict: "problem", text: `${home} is not a folder`, fix: `mv ${home} ${home}.old` }
  if (!mayWrite(home))
    return {
      id,
      verdict: "problem",
      text: `${home} cannot be written`,
      fix: `chown "$USER" ${home} && chmod 700 ${home}`,
    }
  if (process.platform !== "win32" && (stat.mode & 0o077) !== 0)
    return {
      id,
      verdict: "warning",
      text: `Other users of this machine can look into ${home}`,
      fix: `chmod 700 ${home}`,
    }
  return { id, verdict: "ok", text: `${home} is yours alone` }
}

function nearestFolder(path: string): string {
  let folder = dirname(path)
  while (!statSync(folder, { throwIfNoEntry: false })?.isDirectory() && dirname(folder) !== folder)
    folder = dirname(folder)
  return folder
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

function readConfig(cli: Cli): { check: Check; loaded: LoadedConfig | undefined } {
  const id = "config.valid"
  try {
    const loaded = loadConfig({ env: cli.env, flags: cli.flags })
    if (loaded.warnings.length > 0)
      return { loaded, check: { id, verdict: "warning", text: loaded.warnings.join(" ") } }
    const text =
      loaded.text === undefined ? `${loaded.path} does not exist: the defaults count` : `${loaded.path} is valid`
    return { loaded, check: { id, verdict: "ok", text } }
  } catch (error) {
    const { message } = asPincerError(error)
    return {
      loaded: undefined,
      check: { id, verdict: "problem", text: message, fix: '"$EDITOR" "$(pincer config path)"' },
    }
  }
}

function rules(loaded: LoadedConfig | undefined, policyWarnings: PolicyWarnings): Check {
  const id = "policy.lists"
  if (!loaded) return { id, verdict: "skipped", text: "Not known while the configuration is not valid" }
  const [first, ...more] = policyWarnings(loaded.config)
  if (first === undefined) return { id, verdict: "ok", text: "The rules mean what they say" }
  return { id, verdict: "warning", text: [first, ...more].join(" "), fix: '"$EDITOR" "$(pincer config path)"' }
}

function tokenFile({ token }: Paths): Check {
  const id = "token.file"
  const stat = statSync(token, { throwIfNoEntry: false })
  if (!stat) return { id, verdict: "ok", text: "No token was made yet: the gateway makes one when it first starts" }
  if (process.platform !== "win32" && (stat.mode & 0o077) !== 0)
    return {
      id,
      verdict: "problem",
      text: `Other users of this machine can read ${token}`,
      fix: `rm ${token} && pincer gateway restart`,
    }
  const me = process.getuid?.()
  if (me !== undefined && stat.uid !== me)
    return {
      id,
      verdict: "problem",
      text: `${token} belongs to another user`,
      fix: `rm ${token} && pincer gateway restart`,
    }
  return { id, verdict: "ok", text: `${token} is yours alone` }
}

function diskSpace({ home }: Paths): Check {
  const id = "disk.space"
  const folder = statSync(home, { throwIfNoEntry: false }) ? home : nearestFolder(home)
  const { bavail, bsize } = statfsSync(folder)
  const free = bavail * bsize
  const text = `${bytes(free)} free at ${folder}`
  if (free < NO_DISK) return { id, verdict: "problem", text, fix: "make room: without it nothing can be recorded" }
  return free < LOW_DISK ? { id, verdict: "warning", text, fix: "make room soon" } : { id, verdict: "ok", text }
}

function database({ db }: Paths, running: GatewayInfo | undefined, inspectDatabase: InspectDatabase): Check {
  const id = "database.readable"
  const { state, text } = inspectDatabase(db, running !== undefined)
  if (state !== "bad") return { id, verdict: "ok", text }
  return { id, verdict: "problem", text, fix: `pincer gateway stop && mv ${db} ${db}.damaged && pincer gateway start` }
}

async function portFree(loaded: LoadedConfig | undefined, running: GatewayInfo | undefined): Promise<Check> {
  const id = "port.available"
  if (running) return { id, verdict: "ok", text: `Port ${running.port} is the gateway's` }
  if (!loaded) return { id, verdict: "skipped", text: "Not known while the configuration is not valid" }
  const { host, port } = loaded.config.gateway
  if (port === 0) return { id, verdict: "ok", text: "Any free port" }
  const problem = await listens(host, port)
  if (problem === undefined) return { id, verdict: "ok", text: `Port ${port} on ${host} is free` }
  const text =
    problem === "EADDRINUSE"
      ? `Port ${port} on ${host} is taken by another program`
      : `Port ${port} on ${host} cannot be opened (${problem})`
  return { id, verdict: "problem", text, fix: "pincer config set gateway.port 18790" }
}

/** Undefined when it can be listened at, else the system's word. */
function listens(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

async function* throughGateway(cli: Cli, paths: Paths, running: GatewayInfo | undefined): AsyncGenerator<Check> {
  const later = ["gateway.version", "clock", "model.configured", "model.reachable"]
  let named: Target | undefined
  try {
    named = await otherGateway(cli)
  } catch (error) {
    const { message } = asPincerError(error)
    yield { id: "gateway.reachable", verdict: "problem", text: message, fix: "pincer config get gateway.remote" }
    for (const id of later) yield { id, verdict: "skipped", text: "The gateway is not known" }
    return
  }
  if (!named && !running) {
    yield { id: "gateway.reachable", verdict: "skipped", text: "No gateway runs", fix: "pincer gateway start" }
    for (const id of later) yield { id, verdict: "skipped", text: "No gateway runs" }
    return
  }
  const target = named ?? { url: running?.url ?? "", token: tokenUnchanged(cli, paths) }
  try {
    yield* ask(cli, target)
  } catch (error) {
    yield {
      id: "gateway.reachable",
      verdict: "problem",
      text: asPincerError(error).message,
      fix: named ? "check the address and the token" : "pincer gateway restart",
    }
    for (const id of later) yield { id, verdict: "skipped", text: "The gateway does not answer" }
  }
}

/** The home's token, read without putting its mode right. */
function tokenUnchanged(cli: Cli, { token }: Paths): string | undefined {
  const given = cli.flags.token ?? envValue(cli.env, "PINCER_GATEWAY_TOKEN")
  if (given !== undefined) return given
  if (statSync(token, { throwIfNoEntry: false })?.isFile() !== true) return undefined
  return readFileSync(token, "utf8").trim()
}

async function* ask(cli: Cli, target: Pick<Target, "url" | "token" | "namedBy">): AsyncGenerator<Check> {
  const started = performance.now()
  const client = await openClient(cli, target, { connectTimeoutMs: 5_000 })
  try {
    const answer: unknown = await client.request("status", {}, { timeoutMs: 5_000 })
    const took = Math.round(performance.now() - started)
    yield { id: "gateway.reachable", verdict: "ok", text: `${called(target)} answered in ${took} ms` }
    const gateway = isObject(answer) ? answer : {}
    yield sameVersion(cli, stringOf(gateway["version"]) ?? "?")
    yield clock(gateway)
    const model = isObject(gateway["model"]) ? gateway["model"] : {}
    yield modelChosen(model, stringOf(gateway["suggestion"]))
    yield await modelAnswers(client, model)
  } finally {
    client.close()
  }
}

function sameVersion(cli: Cli, version: string): Check {
  const id = "gateway.version"
  if (version === cli.version) return { id, verdict: "ok", text: `Version ${version}` }
  return {
    id,
    verdict: "warning",
    text: `The gateway is version ${version}, this command ${cli.version}`,
    fix: "pincer gateway restart",
  }
}

function clock(gateway: Record<string, unknown>): Check {
  const id = "clock"
  const { startedAt, uptimeMs } = gateway
  if (typeof startedAt !== "number" || typeof uptimeMs !== "number")
    return { id, verdict: "skipped", text: "The gateway does not say its time" }
  const skew = Math.round(startedAt + uptimeMs - Date.now())
  if (Math.abs(skew) <= MAX_CLOCK_SKEW_MS) return { id, verdict: "ok", text: "Same time here and at the gateway" }
  return {
    id,
    verdict: "problem",
    text: `The gateway's clock differs by ${Math.round(skew / 1000)} s`,
    fix: "set the clock of the machine that is wrong",
  }
}

function modelChosen(model: Record<string, unknown>, suggestion: string | undefined): Check {
  const id = "model.configured"
  const why = stringOf(model["why"]) ?? "?"
  if (model["provider"] !== "offline") return { id, verdict: "ok", text: why }
  return {
    id,
    verdict: "warning",
    text: `No language model is configured: fixed rules answer${suggestion === undefined ? "" : `. ${suggestion}`}`,
    fix: "pincer config set agents.defaults.model provider/model",
  }
}

async function modelAnswers(
  client: Awaited<ReturnType<typeof openClient>>,
  model: Record<string, unknown>,
): Promise<Check> {
  const id = "model.reachable"
  try {
    const params = { provider: model["provider"], model: model["model"], timeoutMs: PROBE_MS }
    const probe: unknown = await client.request("models.probe", params, { timeoutMs: PROBE_MS + 5_000 })
    if (!isObject(probe)) throw new PincerError("INTERNAL_ERROR", "The gateway's answer is not understood")
    const name = `${String(model["provider"])}/${String(model["model"])}`
    if (probe["available"] === true)
      return { id, verdict: "ok", text: `${name} answered in ${Math.round(Number(probe["latencyMs"]))} ms` }
    return {
      id,
      verdict: "problem",
      text: `${name}: ${stringOf(probe["error"]) ?? String(probe["status"])}`,
      fix: "pincer models list",
    }
  } catch (error) {
    return { id, verdict: "problem", text: asPincerError(error).message, fix: "pincer models list" }
  }
}
