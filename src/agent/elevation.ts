// Elevated mode: a session's temporary leave from the sandbox. Granted by somebody who may approve, or asked for as an approval; ends by
// itself after a time and with the session. The row in the store is the truth; timers only make its end punctual and audited.
import type { Clock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { Logger } from "../base/log.ts"
import type { Approval } from "../protocol/approval.ts"
import type { AuditEntry } from "../protocol/audit.ts"
import { ELEVATED_LEVELS, type ElevatedLevel, type Elevation } from "../protocol/permission.ts"
import type { ElevationRow, ElevationTable } from "../store/elevations.ts"
import type { AuditPort, Desk } from "./approvals.ts"
import { type ElevatedSettings, elevatedRefusal, longestElevation, type Wisher } from "./elevated-gates.ts"
import { argsDigest } from "./fingerprint.ts"

export type { ElevatedSettings, Wisher } from "./elevated-gates.ts"

export interface ElevationWish {
  sessionKey: string
  agentId: string
  level: ElevatedLevel
  /** How long; default and maximum: maxMs of the gates. */
  durationMs?: number
  wisher: Wisher
  /** For people and the audit: "cli (device 1a2b…)". */
  who: string
  /** Whether `who` has the right to approve; else somebody who has is asked. */
  mayGrant: boolean
}

export type ElevationAnswer =
  | { type: "off" }
  | { type: "granted"; elevation: Elevation }
  | { type: "asked"; approval: Approval }

export interface ElevationPorts {
  table: ElevationTable
  desk: Desk
  settings: ElevatedSettings
  /** How long a question for it waits. */
  approvalTimeoutMs: number
  clock: Clock
  log: Logger
  audit: AuditPort
}

/** Questions for elevated mode that wait at once. */
const MAX_WAITING = 100

type GrantedLevel = Elevation["level"]

export class Elevations {
  readonly #ports: ElevationPorts
  readonly #timers = new Map<string, { row: ElevationRow; cancel: () => void }>()
  /** Told of every grant and end. */
  onChanged: (sessionKey: string, elevation: Elevation | undefined) => void = () => undefined

  constructor(ports: ElevationPorts) {
    this.#ports = ports
    ports.desk.serve(
      "elevated",
      (approval) => this.#grantNow(approval),
      (approval) => this.#announce(rowOf(approval, longestElevation(ports.settings, approval.agentId).maxMs)),
    )
  }

  /** Times what an earlier life granted; what ran out meanwhile ends at once. */
  async start(): Promise<void> {
    for (const row of await this.#ports.table.all()) this.#time(row)
  }

  /** What the session may now; undefined when it is off. */
  async of(sessionKey: string): Promise<Elevation | undefined> {
    const row = await this.#ports.table.get(sessionKey)
    return row && row.expiresAt > this.#ports.clock.now() ? elevationOf(row) : undefined
  }

  /** Every session that is elevated now. */
  async all(): Promise<ReadonlyMap<string, Elevation>> {
    const now = this.#ports.clock.now()
    const rows = (await this.#ports.table.all()).filter((row) => row.expiresAt > now)
    return new Map(rows.map((row) => [row.sessionKey, elevationOf(row)]))
  }

  /** Throws PERMISSION_DENIED naming the gate that is shut and its key, INVALID_PARAMS for a time beyond what is allowed. */
  async set(wish: ElevationWish): Promise<ElevationAnswer> {
    const { agentId, level, sessionKey, who } = wish
    if (level === "off") {
      await this.end(sessionKey, "turned off", who)
      return { type: "off" }
    }
    const { clock, settings, table } = this.#ports
    const shut = elevatedRefusal(settings, wish)
    if (shut) throw shut
    const longest = longestElevation(settings, agentId)
    const durationMs = wish.durationMs ?? longest.maxMs
    if (durationMs < 1 || durationMs > longest.maxMs)
      throw new PincerError(
        "INVALID_PARAMS",
        `Elevated mode cannot last ${durationMs} ms: ask for 1 to ${longest.maxMs} ms (${longest.key})`,
      )
    if (!wish.mayGrant) return { type: "asked", approval: await this.#ask(wish, level, durationMs) }
    const now = clock.now()
    const row = { sessionKey, agentId, level, grantedAt: now, expiresAt: now + durationMs, grantedBy: who }
    await table.put(row, () => this.#grantedNow(row, wish.wisher.door))
    this.#announce(row)
    return { type: "granted", elevation: elevationOf(row) }
  }

  /** False when it was off. */
  async end(sessionKey: string, why: string, who: string): Promise<boolean> {
    this.#stopTimer(sessionKey)
    const gone = await this.#ports.table.delete(sessionKey, (row) =>
      this.#ports.audit.append(this.#entry(row, who, "control", `Elevated mode ended: ${why}`)),
    )
    if (!gone) return false
    this.onChanged(sessionKey, undefined)
    return true
  }

  /** The audit line of one call that ran outside the sandbox because of this. */
  async used(elevation: Elevation, entry: Omit<AuditEntry, "type" | "at">): Promise<void> {
    const { expiresAt, grantedBy, level } = elevation
    const details = { ...entry.details, level, grantedBy, expiresAt }
    await this.#ports.audit.record({ ...entry, type: "elevated", at: this.#ports.clock.now(), details })
  }

  close(): void {
    for (const { cancel } of this.#timers.values()) cancel()
    this.#timers.clear()
  }

  /** A session asks one question at a time: the same one is not asked twice, another one takes its place. */
  async #ask({ agentId, sessionKey, who, wisher }: ElevationWish, level: GrantedLevel, durationMs: number) {
    const { approvalTimeoutMs, desk } = this.#ports
    const waiting = (await desk.pending()).filter((one) => one.kind === "elevated")
    const mine = waiting.find((one) => one.sessionKey === sessionKey)
    if (mine?.args["level"] === level && mine.args["durationMs"] === durationMs) return mine
    if (!mine && waiting.length >= MAX_WAITING)
      throw new PincerError(
        "RATE_LIMITED",
        `${waiting.length} sessions wait for elevated mode: try again when some are answered`,
      )
    if (mine) await desk.withdraw(sessionKey, who, "elevated")
    const minutes = Math.max(1, Math.round(durationMs / 60_000))
    const how = level === "full" ? "without asking before each call" : "asking before each call"
    return desk.ask({
      kind: "elevated",
      sessionKey,
      agentId,
      tool: "elevated",
      args: { level, durationMs, wisher: { ...wisher } },
      summary: `Run commands of this session on this machine, outside the sandbox, for ${minutes} min, ${how}`,
      reason: `${who} asks for elevated mode "${level}" and may not grant it`,
      rule: "elevated.scope",
      timeoutMs: approvalTimeoutMs,
    })
  }

  /** Within the commit of the answer. Gates may have been shut since it was asked. */
  #grantNow(approval: Approval): void {
    const { agentId, args } = approval
    const { settings, table } = this.#ports
    const level = levelOf(args)
    const shut = elevatedRefusal(settings, { agentId, level, wisher: wisherOf(args["wisher"]) })
    if (shut) throw shut
    const row = rowOf(approval, longestElevation(settings, agentId).maxMs)
    table.putNow(row)
    this.#grantedNow(row, "control")
  }

  #grantedNow(row: ElevationRow, door: string): void {
    const until = new Date(row.expiresAt).toISOString()
    this.#ports.audit.append(this.#entry(row, row.grantedBy, door, `Elevated mode "${row.level}" until ${until}`))
  }

  #announce(row: ElevationRow): void {
    this.#time(row)
    this.onChanged(row.sessionKey, elevationOf(row))
  }

  #time(row: ElevationRow): void {
    const { clock, log } = this.#ports
    this.#stopTimer(row.sessionKey)
    const due = () => {
      this.#expire(row.sessionKey).catch((error: unknown) =>
        log.error({ err: error, sessionKey: row.sessionKey }, "The end of an elevated mode could not be recorded"),
      )
    }
    const cancel = clock.after(Math.max(0, row.expiresAt - clock.now()), due)
    this.#timers.set(row.sessionKey, { row, cancel })
  }

  async #expire(sessionKey: string): Promise<void> {
    const row = await this.#ports.table.get(sessionKey)
    const timed = this.#timers.get(sessionKey)?.row
    if (!row) {
      this.#stopTimer(sessionKey)
      if (!timed) return
      await this.#ports.audit.record(this.#entry(timed, "session", "control", "Elevated mode ended with its session"))
    } else if (row.expiresAt > this.#ports.clock.now()) this.#time(row)
    else await this.end(sessionKey, "its time was over", "timeout")
  }

  #stopTimer(sessionKey: string): void {
    this.#timers.get(sessionKey)?.cancel()
    this.#timers.delete(sessionKey)
  }

  #entry(row: ElevationRow, who: string, door: string, summary: string): AuditEntry {
    const { agentId, expiresAt, grantedBy, level, sessionKey } = row
    return {
      type: "elevated",
      at: this.#ports.clock.now(),
      who,
      door,
      agentId,
      sessionKey,
      turnId: "",
      callId: "",
      tool: "elevated",
      summary,
      argsDigest: argsDigest({ level, expiresAt }),
      details: { level, grantedBy, expiresAt },
    }
  }
}

function elevationOf({ level, grantedAt, expiresAt, grantedBy }: ElevationRow): Elevation {
  return { level, grantedAt, expiresAt, grantedBy }
}

/** What an approval that was allowed grants. */
function rowOf({ agentId, args, resolvedAt = 0, resolvedBy = "", sessionKey }: Approval, maxMs: number): ElevationRow {
  const asked = args["durationMs"]
  const durationMs = Math.min(maxMs, typeof asked === "number" ? asked : maxMs)
  const expiresAt = resolvedAt + durationMs
  return { sessionKey, agentId, level: levelOf(args), grantedAt: resolvedAt, expiresAt, grantedBy: resolvedBy }
}

function levelOf(args: Readonly<Record<string, unknown>>): GrantedLevel {
  const level = ELEVATED_LEVELS.find((one) => one === args["level"])
  if (level === undefined || level === "off")
    throw new PincerError("INVALID_PARAMS", `"${String(args["level"])}" is not a level that can be granted`)
  return level
}

function wisherOf(value: unknown): Wisher {
  const fields = isObject(value) ? value : {}
  const wisher: Wisher = { door: typeof fields["door"] === "string" ? fields["door"] : "control" }
  for (const name of ["clientId", "deviceId", "channel", "sender"] as const) {
    const field = fields[name]
    if (typeof field === "string") wisher[name] = field
  }
  return wisher
}
