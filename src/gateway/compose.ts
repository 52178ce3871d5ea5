// The only place where rooms are introduced to one another: it constructs, connects, starts in order and stops in reverse, and
// holds no product decision. Nothing is half-started: when a step fails, those before it are undone and the error is thrown.
import { existsSync, readFileSync, realpathSync } from "node:fs"
import type { AddressInfo } from "node:net"
import { hostname, userInfo } from "node:os"
import { join, resolve } from "node:path"
import { AgentFinder, type AgentPlaces } from "../acp/host/find.ts"
import { knownAgents } from "../acp/host/known-agents.ts"
import { Desk } from "../agent/approvals.ts"
import { Elevations } from "../agent/elevation.ts"
import type { Hosting } from "../agent/hosted-profile.ts"
import { TurnLanes } from "../agent/lanes.ts"
import type { Checkpoint, Ports } from "../agent/ports.ts"
import { isSpecialAddress } from "../base/address.ts"
import { type Clock, systemClock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import { openRedactor } from "../base/redact.ts"
import { claimHome, type StartedWith } from "../config/gateway-file.ts"
import { knownSecrets } from "../config/known-secrets.ts"
import { type ConfigFlags, judgeConfig, type LoadedConfig, loadConfig } from "../config/load.ts"
import { type Env, resolvePaths } from "../config/paths.ts"
import type { Config } from "../config/schema.ts"
import { resolveSecret, serverToken } from "../config/secrets.ts"
import { JobDesk } from "../jobs/desk.ts"
import type { ScheduleCheckpoint } from "../jobs/schedule.ts"
import { isInside } from "../policy/places.ts"
import { openSandbox } from "../sandbox/index.ts"
import { openStore } from "../store/open.ts"
import type { SchemaCopies } from "../store/snapshot.ts"
import { tools } from "../tools/index.ts"
import type { EnginePorts } from "../workflow/engine/ports.ts"
import { RateLimits } from "./access/rate-limits.ts"
import { openAgentHost } from "./agents/agent-host.ts"
import { answering, suggestion } from "./agents/agents.ts"
import { LocalModels } from "./agents/local-models.ts"
import { openModels } from "./agents/models.ts"
import { StandIn } from "./agents/stand-in.ts"
import { announce } from "./announce.ts"
import { elevatedRow } from "./approvals/approval-rows.ts"
import { openAuth } from "./auth.ts"
import { followConfig } from "./config/config-following.ts"
import { type BootState, ConfigService } from "./config/config-service.ts"
import { liveAgents, namedProfiles, sandboxSettings, takeSettings, toolSettings } from "./config/live-settings.ts"
import { DeviceCodeDesk } from "./devices/device-codes.ts"
import { DeviceDesk } from "./devices/device-desk.ts"
import { methodTable } from "./dispatch.ts"
import { openHttpDoor } from "./http/door.ts"
import { Hub } from "./hub.ts"
import { Lendings } from "./lending/lending.ts"
import { serverOpener } from "./lending/lent-servers.ts"
import { openLog } from "./log/logging.ts"
import { turnLog } from "./log/turn-log.ts"
import { ConfiguredServers } from "./mcp/mcp-servers.ts"
import { methods } from "./methods/index.ts"
import type { Parts } from "./parts.ts"
import { configuredWarnings } from "./policy/policy-warnings.ts"
import { openRights } from "./policy/rights.ts"
import { SessionNotices } from "./rpc/notices.ts"
import { remindTool } from "./schedules/remind-tool.ts"
import { Schedules } from "./schedules/schedules.ts"
import { startServer } from "./server.ts"
import { catchUp } from "./sessions/catch-up.ts"
import { announceChanges } from "./sessions/session-changes.ts"
import { sweepDaily } from "./sessions/session-sweep.ts"
import { shownStore } from "./shown.ts"
import { AcpDoor } from "./sockets/acp.ts"
import { ControlDoor } from "./sockets/control.ts"
import { RpcDoor } from "./sockets/rpc.ts"
import { Presence } from "./status/presence.ts"
import { Tally } from "./status/tally.ts"
import { UpdateDesk } from "./update/desk.ts"
import { workflowTool } from "./workflows/tool.ts"
import { Workflows } from "./workflows/workflows.ts"

export interface GatewayOptions {
  env: Env
  flags?: ConfigFlags
  /** What to start with, and why it is not what the file says (gateway/config/boot.ts); default: the file. */
  loaded?: LoadedConfig
  boot?: BootState
  /** Told once this process is the home's only gateway. */
  claimed?: () => void
  /** Where people read along; undefined for a gateway in the background. */
  terminal?: (line: string) => void
  clock?: Clock
  /** bin/pincer.js of this process, and how it is started again in its own place; absent inside other programs. */
  program?: string
  restart?: (why: string) => void
  /** Told each point between two facts: where crash tests kill the process. */
  checkpoint?: (point: Checkpoint) => void
  /** The same within runs of workflows. */
  workflowCheckpoint?: EnginePorts["checkpoint"]
  /** The same of schedules. */
  scheduleCheckpoint?: (point: ScheduleCheckpoint) => void
}

export interface Gateway {
  parts: Parts
  /** "http://127.0.0.1:18789" */
  url: string
  addresses: AddressInfo[]
  /** Which model answers, why, and how to change it: one line. */
  chosen(): string
  /** Who could answer better than the offline model, if that is what answers. */
  suggestion(): Promise<string | undefined>
  warnings: string[]
  /** No new turns; running ones get `graceMs` (default from the config), then everything stops in reverse order. */
  close(graceMs?: number): Promise<void>
}

/** What has been started and how to undo it, last first. */
class Undo {
  readonly #steps: (() => void | Promise<void>)[] = []

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step)
  }

  async run(): Promise<void> {
    for (const step of this.#steps.reverse()) await step()
    this.#steps.length = 0
  }
}

/** Starts a gateway. Throws PincerError when it cannot: bad config, home taken or unwritable, port taken. */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  await finishCutOffRestore(options)
  const undo = new Undo()
  try {
    const loaded = options.loaded ?? loadConfig({ env: options.env, flags: options.flags ?? {} })
    return await assemble(options, loaded, undo)
  } catch (error) {
    await undo.run()
    throw error
  }
}

/** Before anything of the home is read. */
async function finishCutOffRestore({ env, flags }: GatewayOptions): Promise<void> {
  const { home } = resolvePaths(env, flags)
  if (!existsSync(join(home, "restore.json"))) return
  const { finishRestore } = await import("../backup/restore-journal.ts")
  await finishRestore(home)
}

async function assemble(options: GatewayOptions, loaded: LoadedConfig, undo: Undo): Promise<Gateway> {
  const { env } = options
  const { config, paths } = loaded
  const clock = options.clock ?? systemClock
  const claim = claimHome(paths.home)
  undo.add(() => claim.release())
  options.claimed?.()
  const boot = options.boot ?? { mode: "configured" }
  const token = serverToken({ env, config, home: paths.home, flag: options.flags?.token })
  const redactor = openRedactor({ secrets: knownSecrets({ config, env, base: paths.home }) })
  if (token.token !== undefined) redactor.add(token.token)
  const logging = openLog({ path: paths.log, ...config.log, terminal: options.terminal, redactor })
  undo.add(() => logging.close())
  const { log } = logging
  const load = (text?: string) =>
    text === undefined
      ? loadConfig({ env, flags: options.flags ?? {} })
      : judgeConfig({ env, flags: options.flags ?? {}, paths, file: { text, open: false } })
  const live = new ConfigService({ loaded, boot, load, clock, log })
  const copies = schemaCopySettings(config, paths.home, clock)
  const store = openStore({ path: paths.db, durability: config.store.durability, ...copies }, clock, log, redactor)
  undo.add(() => store.close())
  const hub = new Hub(log, redactor)
  const places = agentPlaces(env, paths.home)
  const { userHome } = places
  const localModels = new LocalModels({ config: () => live.current(), home: paths.home, userHome, env, clock, log })
  undo.add(() => localModels.close())
  const models = openModels({ config: () => live.current(), env, base: paths.home, clock, log, local: localModels })
  const finder = new AgentFinder(places, clock)
  const known = boot.mode === "safe" ? [] : knownAgents
  const hostedAgents: Hosting = {
    known,
    secret: (ref, name) => resolveSecret(ref, { env, base: paths.home, name }),
  }
  const ownAgents = liveAgents(live, paths.home, hostedAgents)
  ownAgents()
  const standIn = new StandIn({
    ...{ known, finder, catalogue: models.catalogue, userHome },
    config: () => live.current(),
  })
  const agents = () => standIn.over(ownAgents())
  const desk = new Desk(store.approvals, clock, log)
  desk.publish = (envelope) => hub.publish(envelope)
  undo.add(() => desk.close())
  undo.add(hub.onAll((envelope) => desk.observe(envelope)))
  const { audit } = store
  desk.audit = audit
  const elevations = new Elevations({
    ...{ table: store.elevations, desk, clock, log, audit },
    get settings() {
      return live.current()
    },
    get approvalTimeoutMs() {
      return live.current().turns.approvalTimeoutMs
    },
  })
  undo.add(() => elevations.close())
  const hidden = [realpathSync(paths.home)]
  const sandbox = openSandbox(sandboxSettings(live), { path: env["PATH"] ?? "", hidden })
  undo.add(() => sandbox.close())
  for (const name of namedProfiles(config)) if (name !== undefined) sandbox.profile(name)
  const hosting = { clock, log, redactor, env, home: paths.home, sandbox, books: store, finder }
  const agentHost = openAgentHost({
    ...hosting,
    get config() {
      return live.current()
    },
    version: ownVersion(),
    publish: (envelope) => hub.publish(envelope),
  })
  undo.add(() => agentHost.close())
  const settings = toolSettings(live, env, paths.home)
  const openServers = serverOpener({
    ...{ clock, log, redactor, version: ownVersion() },
    get env() {
      return settings.exec.env
    },
  })
  const lendings = new Lendings({ clock, log, openServers })
  undo.add(() => lendings.close())
  const rights = openRights({ books: store, clock, live, elevations, sandbox })
  const { HOME, LANG, PATH } = settings.exec.env
  const servers = new ConfiguredServers({
    ...{ live, env, clock, log, redactor, sandbox, agents, rights, catalogue: models.catalogue },
    home: realpathSync(paths.home),
    programEnv: { HOME: HOME!, LANG: LANG!, PATH: PATH! },
    version: ownVersion(),
  })
  undo.add(() => servers.close())
  const ports: Ports = {
    books: store,
    catalogue: models.catalogue,
    tools: [...tools, workflowTool(() => workflows), remindTool(() => ({ schedules, config: () => live.current() }))],
    toolSettings: settings,
    get agents() {
      return agents()
    },
    home: realpathSync(paths.home),
    get settings() {
      return live.current().turns
    },
    clock,
    log,
    redactor,
    rights,
    servers,
    // Folders that the owner named stay as they are; Pincer's own are given to whom commands run as.
    workspaceMade: (folder) => {
      if (isInside(folder, realpathSync(paths.home))) sandbox.handOver(folder)
    },
    publish: (envelope) => hub.publish(envelope),
    canAsk: (sessionKey) => desk.canAsk(sessionKey),
    asked: (approval) => desk.watch(approval),
    lent: lendings.lent,
    harness: agentHost,
    checkpoint: options.checkpoint ?? (() => undefined),
  }
  const lanes: TurnLanes = new TurnLanes(ports)
  const workflows: Workflows = new Workflows({
    ports,
    lanes: () => lanes,
    desk,
    checkpoint: options.workflowCheckpoint,
  })
  undo.add(() => workflows.close())
  desk.onResolved = (approval) => lanes.settle(approval)
  const jobPorts = {
    ...{ books: store, lanes, clock, log, redactor },
    get settings() {
      return live.current().jobs
    },
  }
  const callbackRules = {
    isSpecial: isSpecialAddress,
    get allowHosts() {
      return live.current().jobs.callback.allowHosts
    },
  }
  const jobs = new JobDesk(jobPorts, callbackRules)
  undo.add(() => jobs.close())
  const schedules = new Schedules({
    ...{ books: store, lanes, jobs, workflows, agents, live, clock, log, redactor },
    rules: callbackRules,
    isSafe: boot.mode === "safe",
    publish: (envelope) => hub.publish(envelope),
    ...(options.scheduleCheckpoint ? { checkpoint: options.scheduleCheckpoint } : {}),
  })
  undo.add(hub.onAll((envelope) => jobs.observe(envelope)))
  const tally = new Tally()
  undo.add(hub.onAll((envelope) => tally.hear(envelope)))
  undo.add(hub.onAll(turnLog(log)))
  const version = ownVersion()
  const startedAt = clock.now()
  const { program, restart } = options
  const updates = new UpdateDesk({
    ...{ home: paths.home, version, env, node: process.execPath, clock, log },
    settings: () => live.current().update,
    ...(program === undefined ? {} : { program }),
    ...(restart ? { restart } : {}),
  })
  undo.add(() => updates.close())
  const devices = new DeviceDesk({ devices: store.devices, codes: store.deviceCodes, clock, redactor, log, audit })
  const parts: Parts = {
    devices,
    deviceCodes: new DeviceCodeDesk(devices),
    version,
    bootId: uuid(),
    startedAt,
    home: paths.home,
    configPath: paths.config,
    get configText() {
      return live.text
    },
    logPath: paths.log,
    live,
    get config() {
      return live.current()
    },
    clock,
    log,
    redactor,
    readSecrets() {
      const secrets = [...knownSecrets({ config: live.current(), env, base: paths.home })]
      for (const secret of secrets) redactor.add(secret)
      return secrets.length
    },
    store: shownStore(store, redactor),
    hub,
    presence: new Presence(clock, {
      host: hostname(),
      version,
      platform: process.platform,
      mode: "gateway",
      reason: "self",
      ts: startedAt,
    }),
    notices: new SessionNotices(),
    tally,
    updates,
    limits: new RateLimits(() => parts.config.gateway.rateLimits, clock),
    lanes,
    lendings,
    servers,
    jobs,
    workflows,
    schedules,
    approvals: desk,
    sandbox,
    elevations,
    catalogue: models.catalogue,
    tools: ports.tools,
    get agents() {
      return agents()
    },
    finder,
    standIn,
    localModels,
    host: agentHost,
    token: token.token,
  }
  const auth = openAuth(parts)
  const table = methodTable(methods)
  const control = new ControlDoor(parts, auth, table)
  const rpc = new RpcDoor(parts, table)
  const acp = new AcpDoor(parts, table, version)
  desk.canAsk = () => control.canAsk() || acp.canAsk()
  const proxies = ["gateway.auth.trustedProxy", "gateway.trustedProxies"]
  undo.add(live.take({ prefixes: proxies, apply: () => devices.members.closeUsers("access changed") }))
  const tellMany = (event: string, payload: string) => {
    control.broadcastText(event, payload)
    rpc.announce(event, payload)
  }
  const tellAll = (event: string) => (payload: string) => {
    tellMany(event, payload)
    acp.broadcastText(event, payload)
  }
  const tellEntitled = (event: string, payload: unknown) => {
    const text = JSON.stringify(payload)
    control.announce(event, text)
    rpc.announce(event, text)
  }
  devices.onEvent = tellEntitled
  elevations.onChanged = (sessionKey, elevation) =>
    control.broadcast("elevated.changed", elevatedRow(sessionKey, elevation))
  undo.add(announceChanges(parts, tellAll("session.changed")))
  updates.onChanged = (run) => tellEntitled("update.run.changed", redactor.value(run))
  updates.onSettled = async (run) => (await import("./update/telling.ts")).tellUpdate(run, parts)
  schedules.onNews = (payload) => tellMany("cron", payload)
  schedules.onHeartbeat = (payload) => tellMany("heartbeat", payload)
  servers.onChanged = (server) => tellAll("mcp.changed")(JSON.stringify(server === undefined ? {} : { server }))
  await localModels.look()
  await standIn.look()
  // In safe mode no work begins by itself: what waits is kept for a normal start.
  const hold = boot.mode === "safe"
  await lanes.start({ hold })
  await desk.start()
  await elevations.start()
  await jobs.start({ hold })
  await workflows.start({ resume: !hold })
  undo.add(() => jobs.stop())
  const server = await startServer({ parts, auth, http: openHttpDoor(parts, auth, table), control, rpc, acp })
  undo.add(() => server.close())
  const port = server.addresses[0]!.port
  devices.port = port
  const host = config.gateway.host.includes(":") ? `[${config.gateway.host}]` : config.gateway.host
  const url = `http://${host}:${port}`
  const { bootId } = parts
  const startedWith = startedWithOf(options.flags, token.source)
  const mode = boot.mode === "configured" ? {} : { mode: boot.mode }
  const wsUrl = url.replace(/^http/, "ws")
  claim.publish({ pid: process.pid, port, url: wsUrl, version, bootId, startedAt, startedWith, ...mode })
  const warnings = [...loaded.warnings, ...configuredWarnings(config), ...token.warnings, ...server.warnings]
  for (const warning of warnings) log.warn({}, warning)
  log.info({ url, home: paths.home, version }, "The gateway is ready")
  undo.add(models.lookAround())
  takeSettings(
    live,
    {
      ...{ env, redactor, home: paths.home, setLevel: logging.setLevel, renewModels: models.renew },
      roomChanged() {
        lanes.settingsChanged()
        jobs.settingsChanged()
      },
      hosting: hostedAgents,
    },
    hidden,
  )
  undo.add(servers.follow())
  undo.add(() => schedules.stop())
  undo.add(schedules.start())
  undo.add(followConfig(parts, env, (news) => tellAll("config.changed")(JSON.stringify(redactor.value(news)))))
  undo.add(announce({ live, log, port, home: paths.home }))
  if (!hold) undo.add(sweepDaily(parts))
  updates.settle().catch((error: unknown) => log.warn({ err: error }, "What became of the update was not told"))
  undo.add(catchUp(store, clock, log))
  return {
    parts,
    url,
    addresses: server.addresses,
    chosen: () => answering(parts).why,
    suggestion: () => suggestion(parts),
    warnings,
    async close(graceMs = live.current().gateway.drainMs) {
      log.info({ ...lanes.counts() }, "The gateway is stopping")
      await schedules.stop()
      jobs.stop()
      await workflows.close()
      await lanes.drain(graceMs)
      await undo.run()
    },
  }
}

/** Where the database is copied to before its schema changes. */
function schemaCopySettings({ backup }: Config, home: string, clock: Clock): { copies?: SchemaCopies } {
  if (!backup.beforeSchemaChange) return {}
  const folder = backup.folder === undefined ? join(home, "backups") : resolve(home, backup.folder)
  return { copies: { folder, keep: backup.keepSchemaCopies, now: clock.now() } }
}

/** What a restart has to say again. */
function startedWithOf(flags: ConfigFlags = {}, tokenFrom: string): StartedWith {
  const { config, host, port } = flags
  return {
    ...(config === undefined ? {} : { config }),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port: String(port) }),
    tokenFrom,
  }
}

function agentPlaces(env: Env, home: string): AgentPlaces {
  const userHome = env["HOME"] ?? userInfo().homedir
  return { path: env["PATH"] ?? "", home, userHome, node: process.execPath, platform: process.platform }
}

let version: string | undefined

/** The version in package.json, two folders up from src/gateway or dist/gateway. */
export function ownVersion(): string {
  if (version === undefined) {
    const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8")
    const found = /"version":\s*"([^"]+)"/.exec(text)?.[1]
    if (!found) throw new PincerError("INTERNAL_ERROR", "package.json has no version")
    version = found
  }
  return version
}
