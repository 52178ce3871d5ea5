// The only place where rooms are introduced to one another: it constructs, connects, starts in order and stops in reverse, and
// holds no product decision. compose/ holds the stages; each is handed those before it. Nothing is half-started: when a step fails,
// those before it are undone and the error is thrown.
import { existsSync } from "node:fs"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import type { StartedWith } from "../config/gateway-file.ts"
import { type ConfigFlags, type LoadedConfig, loadConfig } from "../config/load.ts"
import { resolvePaths } from "../config/paths.ts"
import { answering, suggestion } from "./agents/agents.ts"
import { announce } from "./announce.ts"
import { type Doors, openDoors } from "./compose/doors.ts"
import { gatherParts } from "./compose/gather.ts"
import { type GatewayOptions, type Ground, layGround } from "./compose/ground.ts"
import { type Hands, openHands } from "./compose/hands.ts"
import { type Minds, openMinds } from "./compose/minds.ts"
import { Undo } from "./compose/undo.ts"
import { openWork, type Work } from "./compose/work.ts"
import { followConfig } from "./config/config-following.ts"
import { takeSettings } from "./config/live-settings.ts"
import { openHttpDoor } from "./http/door.ts"
import type { Parts } from "./parts.ts"
import { configuredWarnings } from "./policy/policy-warnings.ts"
import { startServer } from "./server.ts"
import { catchUp } from "./sessions/catch-up.ts"
import { sweepDaily } from "./sessions/session-sweep.ts"

export type { GatewayOptions }

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

interface Rooms {
  ground: Ground
  minds: Minds
  hands: Hands
  work: Work
  parts: Parts
  doors: Doors
}

async function assemble(options: GatewayOptions, loaded: LoadedConfig, undo: Undo): Promise<Gateway> {
  const ground = layGround(options, loaded, undo)
  const minds = openMinds(ground)
  const hands = openHands(ground, minds)
  const work = openWork(ground, minds, hands)
  const parts = gatherParts(ground, minds, hands, work)
  const rooms = { ground, minds, hands, work, parts, doors: openDoors(parts, ground, hands, work) }
  await startWork(rooms)
  const server = await openPort(rooms)
  const warnings = [
    ...loaded.warnings,
    ...configuredWarnings(loaded.config),
    ...ground.token.warnings,
    ...server.warnings,
  ]
  const { log } = ground
  for (const warning of warnings) log.warn({}, warning)
  log.info({ url: server.url, home: ground.home, version: parts.version }, "The gateway is ready")
  goOn(rooms, server.port)
  return {
    parts,
    url: server.url,
    addresses: server.addresses,
    chosen: () => answering(parts).why,
    suggestion: () => suggestion(parts),
    warnings,
    close: (graceMs) => close(rooms, graceMs ?? ground.live.current().gateway.drainMs),
  }
}

/** Takes up what an earlier gateway left. In safe mode no work begins by itself: what waits is kept for a normal start. */
async function startWork({ ground, hands, minds, work }: Rooms): Promise<void> {
  await minds.localModels.look()
  await minds.standIn.look()
  const hold = isHeld(ground)
  await work.lanes.start({ hold })
  await hands.desk.start()
  await hands.elevations.start()
  await work.jobs.start({ hold })
  await work.workflows.start({ resume: !hold })
  ground.undo.add(() => work.jobs.stop())
}

const isHeld = ({ boot }: Ground): boolean => boot.mode === "safe"

interface OpenPort {
  url: string
  port: number
  addresses: AddressInfo[]
  warnings: string[]
}

/** Lets callers in and says where, for clients of this home. */
async function openPort({ doors, ground, parts }: Rooms): Promise<OpenPort> {
  const { auth, table, control, rpc, acp } = doors
  const server = await startServer({ parts, auth, http: openHttpDoor(parts, auth, table), control, rpc, acp })
  ground.undo.add(() => server.close())
  const { addresses, warnings } = server
  const { port } = addresses[0]!
  parts.devices.port = port
  const { host } = ground.loaded.config.gateway
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`
  const { bootId, startedAt, version } = parts
  const { boot, claim, options, token } = ground
  claim.publish({
    ...{ pid: process.pid, port, url: url.replace(/^http/, "ws"), version, bootId, startedAt },
    startedWith: startedWithOf(options.flags, token.source),
    ...(boot.mode === "configured" ? {} : { mode: boot.mode }),
  })
  return { url, port, addresses, warnings }
}

/** What waited until callers were let in, and what goes on for as long as the gateway runs. */
function goOn({ doors, ground, hands, minds, parts, work }: Rooms, port: number): void {
  const { clock, env, home, live, log, logging, redactor, store, undo } = ground
  undo.add(minds.models.lookAround())
  takeSettings(
    live,
    {
      ...{ env, redactor, home, setLevel: logging.setLevel, renewModels: minds.models.renew },
      roomChanged() {
        work.lanes.settingsChanged()
        work.jobs.settingsChanged()
      },
      hosting: minds.hosting,
    },
    hands.hidden,
  )
  undo.add(hands.servers.follow())
  undo.add(() => work.schedules.stop())
  undo.add(work.schedules.start())
  undo.add(followConfig(parts, env, (news) => doors.tellAll("config.changed", JSON.stringify(redactor.value(news)))))
  undo.add(announce({ live, log, port, home }))
  if (!isHeld(ground)) undo.add(sweepDaily(parts))
  work.updates.settle().catch((error: unknown) => log.warn({ err: error }, "What became of the update was not told"))
  undo.add(catchUp(store, clock, log))
}

async function close({ ground, work }: Rooms, graceMs: number): Promise<void> {
  ground.log.info({ ...work.lanes.counts() }, "The gateway is stopping")
  await work.schedules.stop()
  work.jobs.stop()
  await work.workflows.close()
  await work.lanes.drain(graceMs)
  await ground.undo.run()
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
