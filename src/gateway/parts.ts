// What compose.ts built and the doors use. A door gets this and nothing else: no globals, no environment.
import type { AgentFinder } from "../acp/host/find.ts"
import type { AgentHost } from "../acp/host/index.ts"
import type { AgentProfile, ApprovalDesk, Lanes } from "../agent/agent.ts"
import type { Elevations } from "../agent/elevation.ts"
import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import type { Redactor } from "../base/redact.ts"
import type { Config } from "../config/schema.ts"
import type { JobDesk } from "../jobs/desk.ts"
import type { Catalogue } from "../providers/catalogue.ts"
import type { Sandbox } from "../sandbox/index.ts"
import type { Store } from "../store/store.ts"
import type { Tool } from "../tools/tool.ts"
import type { RateLimits } from "./access/rate-limits.ts"
import type { LocalModels } from "./agents/local-models.ts"
import type { StandIn } from "./agents/stand-in.ts"
import type { ConfigService } from "./config/config-service.ts"
import type { DeviceCodeDesk } from "./devices/device-codes.ts"
import type { DeviceDesk } from "./devices/device-desk.ts"
import type { Hub } from "./hub.ts"
import type { Lendings } from "./lending/lending.ts"
import type { ConfiguredServers } from "./mcp/mcp-servers.ts"
import type { SessionNotices } from "./rpc/notices.ts"
import type { Schedules } from "./schedules/schedules.ts"
import type { Presence } from "./status/presence.ts"
import type { Tally } from "./status/tally.ts"
import type { UpdateDesk } from "./update/desk.ts"
import type { Workflows } from "./workflows/workflows.ts"

export interface Parts {
  readonly version: string
  /** New with every start of the process. */
  readonly bootId: string
  readonly startedAt: number
  readonly home: string
  readonly configPath: string
  /** The text of the config file that counts, or undefined when there is none. */
  readonly configText: string | undefined
  readonly logPath: string
  /** Replaces the configuration while running; who follows it registers here. */
  readonly live: ConfigService
  /** The snapshot in force: read it where it is needed, a later one may be another. */
  readonly config: Config
  readonly clock: Clock
  readonly log: Logger
  /** Takes secrets out of whatever leaves; `store` and `hub` have been through it already. */
  readonly redactor: Redactor
  /** Takes up anew every secret that configuration and environment name, to be redacted; how many there are. */
  readSecrets(): number
  readonly store: Store
  readonly hub: Hub
  readonly presence: Presence
  readonly devices: DeviceDesk
  readonly deviceCodes: DeviceCodeDesk
  readonly notices: SessionNotices
  readonly tally: Tally
  /** Absent in rooms of tests that update nothing. */
  readonly updates?: UpdateDesk
  /** Absent in rooms of tests that limit nobody. */
  readonly limits?: RateLimits
  readonly lanes: Lanes
  readonly lendings: Lendings
  /** MCP servers of the configuration. Absent in rooms of tests that have none. */
  readonly servers?: ConfiguredServers
  readonly jobs: JobDesk
  /** Absent in rooms of tests that run none. */
  readonly workflows?: Workflows
  /** Absent in rooms of tests that have none. */
  readonly schedules?: Schedules
  readonly approvals: ApprovalDesk
  readonly sandbox: Sandbox
  readonly elevations: Elevations
  readonly catalogue: Catalogue
  readonly tools: readonly Tool[]
  /** Also the known external agents that the configuration does not name (gateway/agents/agents.ts). */
  readonly agents: ReadonlyMap<string, AgentProfile>
  /** Where external agents are on this machine. */
  readonly finder: Pick<AgentFinder, "find" | "require">
  /** Says why an external agent runs the default agent's turns, where none was configured to. Absent where none can. */
  readonly standIn?: Pick<StandIn, "why">
  /** Model files of this machine. */
  readonly localModels?: Pick<LocalModels, "look" | "suggestion">
  /** Runs external agents. Absent where none can be hosted. */
  readonly host?: Pick<AgentHost, "probe" | "set">
  /** The shared secret, or undefined when authentication is off. Compared in constant time only (gateway/auth.ts). */
  readonly token: string | undefined
}
