// The ground floor of a gateway: the home is claimed, the log open, secrets known, the configuration in force, the database open.
// Everything above is handed this.
import { join, resolve } from "node:path"
import type { Checkpoint } from "../../agent/ports.ts"
import { type Clock, systemClock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import { openRedactor, type Redactor } from "../../base/redact.ts"
import { claimHome } from "../../config/gateway-file.ts"
import { knownSecrets } from "../../config/known-secrets.ts"
import { type ConfigFlags, judgeConfig, type LoadedConfig, loadConfig } from "../../config/load.ts"
import type { Env } from "../../config/paths.ts"
import type { Config } from "../../config/schema.ts"
import { serverToken } from "../../config/secrets.ts"
import type { ScheduleCheckpoint } from "../../jobs/schedule.ts"
import { type Books, openStore } from "../../store/open.ts"
import type { SchemaCopies } from "../../store/snapshot.ts"
import type { EnginePorts } from "../../workflow/engine/ports.ts"
import { type BootState, ConfigService } from "../config/config-service.ts"
import { Hub } from "../hub.ts"
import { openLog } from "../log/logging.ts"
import type { Undo } from "./undo.ts"

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

export interface Ground {
  options: GatewayOptions
  loaded: LoadedConfig
  undo: Undo
  env: Env
  home: string
  clock: Clock
  claim: ReturnType<typeof claimHome>
  boot: BootState
  token: ReturnType<typeof serverToken>
  redactor: Redactor
  logging: ReturnType<typeof openLog>
  log: Logger
  live: ConfigService
  store: Books
  hub: Hub
}

export function layGround(options: GatewayOptions, loaded: LoadedConfig, undo: Undo): Ground {
  const { env } = options
  const { config, paths } = loaded
  const { home } = paths
  const clock = options.clock ?? systemClock
  const claim = claimHome(home)
  undo.add(() => claim.release())
  options.claimed?.()
  const boot = options.boot ?? { mode: "configured" }
  const token = serverToken({ env, config, home, flag: options.flags?.token })
  const redactor = openRedactor({ secrets: knownSecrets({ config, env, base: home }) })
  if (token.token !== undefined) redactor.add(token.token)
  const logging = openLog({ path: paths.log, ...config.log, terminal: options.terminal, redactor })
  undo.add(() => logging.close())
  const { log } = logging
  const live = new ConfigService({ loaded, boot, load: reader(options, loaded), clock, log })
  const copies = schemaCopySettings(config, home, clock)
  const store = openStore({ path: paths.db, durability: config.store.durability, ...copies }, clock, log, redactor)
  undo.add(() => store.close())
  const hub = new Hub(log, redactor)
  return { options, loaded, undo, env, home, clock, claim, boot, token, redactor, logging, log, live, store, hub }
}

/** Reads the configuration anew: the file, or a text that is to become it. */
function reader({ env, flags = {} }: GatewayOptions, { paths }: LoadedConfig): (text?: string) => LoadedConfig {
  return (text) =>
    text === undefined ? loadConfig({ env, flags }) : judgeConfig({ env, flags, paths, file: { text, open: false } })
}

/** Where the database is copied to before its schema changes. */
function schemaCopySettings({ backup }: Config, home: string, clock: Clock): { copies?: SchemaCopies } {
  if (!backup.beforeSchemaChange) return {}
  const folder = backup.folder === undefined ? join(home, "backups") : resolve(home, backup.folder)
  return { copies: { folder, keep: backup.keepSchemaCopies, now: clock.now() } }
}
