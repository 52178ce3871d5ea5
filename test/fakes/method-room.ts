// An agent room with everything else that a method is handed, so that the method table can be called without a socket, through the
// doors' own dispatch. Every result is held against the schema that the table promises.
import { join } from "node:path"
import { notInstalled } from "../../src/acp/host/find.ts"
import { Elevations } from "../../src/agent/elevation.ts"
import { isSpecialAddress } from "../../src/base/address.ts"
import { systemClock } from "../../src/base/clock.ts"
import { silentLogger } from "../../src/base/log.ts"
import { patternsOnly } from "../../src/base/redact.ts"
import { parseWith } from "../../src/base/schema.ts"
import { judgeConfig, readConfigFile } from "../../src/config/load.ts"
import { resolvePaths } from "../../src/config/paths.ts"
import { configSchema } from "../../src/config/schema.ts"
import { ConfigService } from "../../src/gateway/config/config-service.ts"
import { DeviceCodeDesk } from "../../src/gateway/devices/device-codes.ts"
import { DeviceDesk } from "../../src/gateway/devices/device-desk.ts"
import { dispatch, methodTable } from "../../src/gateway/dispatch.ts"
import { Hub } from "../../src/gateway/hub.ts"
import { Lendings } from "../../src/gateway/lending/lending.ts"
import { methods } from "../../src/gateway/methods/index.ts"
import { type Caller, RawJson } from "../../src/gateway/methods/method.ts"
import type { Parts } from "../../src/gateway/parts.ts"
import { SessionNotices } from "../../src/gateway/rpc/notices.ts"
import { Presence } from "../../src/gateway/status/presence.ts"
import { Tally } from "../../src/gateway/status/tally.ts"
import { JobDesk } from "../../src/jobs/desk.ts"
import type { AuditEntry } from "../../src/protocol/audit.ts"
import { openSandbox } from "../../src/sandbox/index.ts"
import { type AgentRoom, openAgentRoom, type RoomOptions } from "./agent-room.ts"

export interface MethodRoom {
  room: AgentRoom
  parts: Parts
  /** First responses of two-stage calls. */
  accepted: unknown[]
  followed: string[]
  audited: AuditEntry[]
  /** Calls as the claw dialect with all scopes, unless `caller` says otherwise. */
  call(name: string, params?: Record<string, unknown>, caller?: Partial<Caller>): Promise<unknown>
  py(name: string, params?: Record<string, unknown>): Promise<unknown>
  close(): Promise<void>
}

const table = methodTable(methods)

/** A configuration that no file stands behind at first: it changes through what calls write, and when they reload it. */
function fixedConfig(home: string, config: Parts["config"]): ConfigService {
  const env = { PINCER_HOME: home }
  const paths = resolvePaths(env)
  const loaded = { config, path: paths.config, text: undefined, warnings: [], paths }
  const load = (text?: string) =>
    judgeConfig({
      env,
      flags: {},
      paths,
      file: text === undefined ? readConfigFile(paths.config) : { text, open: false },
    })
  return new ConfigService({ loaded, load, clock: systemClock, log: silentLogger })
}

export async function openMethodRoom(options: RoomOptions & { parts?: Partial<Parts> }): Promise<MethodRoom> {
  const room = await openAgentRoom(options)
  const { books, catalogue, clock, tools, agents } = room.ports
  const config = configSchema.parse({})
  const audited: AuditEntry[] = []
  const append = (entry: AuditEntry) => audited.push(entry)
  const audit = { append, record: async (entry: AuditEntry) => append(entry) }
  room.desk.audit = audit
  const rules = { isSpecial: isSpecialAddress, allowHosts: [] }
  const jobs = new JobDesk(
    { books, lanes: room.lanes, settings: config.jobs, clock, log: silentLogger, redactor: patternsOnly },
    rules,
  )
  const elevations = new Elevations({
    table: books.elevations,
    desk: room.desk,
    settings: options.parts?.config ?? config,
    approvalTimeoutMs: 60_000,
    clock,
    log: silentLogger,
    audit,
  })
  const devices = new DeviceDesk({
    devices: books.devices,
    codes: books.deviceCodes,
    clock,
    redactor: patternsOnly,
    log: silentLogger,
    audit,
  })
  const parts: Parts = {
    devices,
    deviceCodes: new DeviceCodeDesk(devices),
    version: "0.0.0-test",
    bootId: "boot",
    startedAt: clock.now(),
    home: room.home,
    configPath: join(room.home, "pincer.json"),
    configText: undefined,
    logPath: join(room.home, "gateway.log"),
    config,
    live: fixedConfig(room.home, options.parts?.config ?? config),
    clock,
    log: silentLogger,
    redactor: patternsOnly,
    readSecrets: () => 0,
    sandbox: openSandbox({ profile: "workspace", profiles: {}, uid: 65534 }, { path: "/usr/bin:/bin", hidden: [] }),
    store: books,
    hub: new Hub(silentLogger),
    presence: new Presence(clock, { host: "test", ts: 0, reason: "self" }),
    notices: new SessionNotices(),
    tally: new Tally(),
    lanes: room.lanes,
    lendings: new Lendings({
      clock,
      log: silentLogger,
      openServers: async () => ({ tools: [], problems: [], close: async () => undefined }),
    }),
    jobs,
    approvals: room.desk,
    elevations,
    catalogue,
    tools,
    agents,
    finder: {
      find: async (agent) => ({ type: "missing", install: agent.install }),
      require: async (agent) => {
        throw notInstalled(agent)
      },
    },
    token: "t",
    ...options.parts,
  }
  room.desk.publish = (envelope) => parts.hub.publish(envelope)
  const { publish } = room.ports
  room.ports.publish = (envelope) => {
    publish(envelope)
    parts.hub.publish(envelope)
  }
  const accepted: unknown[] = []
  const followed: string[] = []
  async function call(name: string, params: Record<string, unknown> = {}, as: Partial<Caller> = {}): Promise<unknown> {
    const caller: Caller = {
      connId: "c",
      dialect: "claw",
      protocol: 4,
      role: "operator",
      scopes: ["operator.admin"],
      caps: [],
      clientId: "test",
      signal: new AbortController().signal,
      ...as,
    }
    const result = await dispatch(table, name, params, {
      caller,
      parts,
      accept: (payload) => accepted.push(payload),
      follow: (turnId) => followed.push(turnId),
    })
    const plain: unknown = result instanceof RawJson ? JSON.parse(result.text) : result
    const entry = table.get(name)!
    if (caller.dialect === "claw" || !entry.py) parseWith(entry.result, plain, `result of ${name}`)
    return plain
  }
  return {
    room,
    parts,
    accepted,
    followed,
    audited,
    call,
    py: (name, params) => call(name, params, { dialect: "py", protocol: 3 }),
    async close() {
      elevations.close()
      jobs.stop()
      await jobs.close()
      await room.close()
    },
  }
}
