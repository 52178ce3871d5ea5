// Which settings count without a restart, and how the rooms get them: most read the snapshot when they need it, a few are told.
// Whatever is not named here, nor by another taker, keeps its value until the next start.
import { userInfo } from "node:os"
import type { AgentProfile } from "../../agent/agent.ts"
import type { Hosting } from "../../agent/hosted-profile.ts"
import { buildProfiles } from "../../agent/profile.ts"
import type { Redactor } from "../../base/redact.ts"
import { knownSecrets } from "../../config/known-secrets.ts"
import type { Env } from "../../config/paths.ts"
import type { Config } from "../../config/schema.ts"
import { secretReader } from "../../config/secrets.ts"
import { checkProfiles, type SandboxSettings } from "../../sandbox/index.ts"
import type { ToolSettings } from "../../tools/tool.ts"
import type { LiveConfig } from "./live-config.ts"

/** Read from the snapshot whenever they are needed. */
const READ_AT_USE = [
  "gateway.allowedOrigins",
  "gateway.allowedHosts",
  "gateway.auth.deviceSkewMs",
  "gateway.auth.rateLimit",
  "gateway.auth.trustedProxy",
  "gateway.trustedProxies",
  "gateway.publicUrl",
  "gateway.rateLimits",
  "gateway.remote",
  "gateway.drainMs",
  "gateway.strict",
  "gateway.maxPending",
  "gateway.maxConnections",
  "backup",
  "mcpServe",
  "update",
  "policy",
  "sessions",
  "turns",
  "jobs",
  "tools.maxOutputChars",
  "tools.exec",
  "tools.fetch",
  "tools.search",
  "tools.elevated",
  "$schema",
] as const

/** What the gateway owns that follows the configuration. */
export interface LiveRooms {
  home: string
  env: Env
  redactor: Redactor
  setLevel(level: Config["log"]["level"]): void
  /** Models and providers as the configuration says now. */
  renewModels(): void
  /** More turns or jobs may run at once now. */
  roomChanged(): void
  /** What profiles of external agents are made with. */
  hosting: Hosting
}

/** A value made from the snapshot in force, once for each. */
export function perSnapshot<T>(live: Pick<LiveConfig, "current">, make: (config: Config) => T): () => T {
  let from: Config | undefined
  let made: T
  return () => {
    const config = live.current()
    if (config !== from) {
      made = make(config)
      from = config
    }
    return made
  }
}

/** Registers for everything that this file names. `hidden`: what no sandbox profile may show. */
export function takeSettings(live: LiveConfig, rooms: LiveRooms, hidden: readonly string[]): void {
  live.take({ prefixes: READ_AT_USE, apply: () => undefined })
  live.take({ prefixes: ["turns.maxConcurrent", "jobs.maxConcurrent"], apply: () => rooms.roomChanged() })
  live.take({ prefixes: ["log.level"], apply: (next) => rooms.setLevel(next.log.level) })
  live.take({
    prefixes: ["agents", "sandbox.profile", "sandbox.profiles"],
    prepare(next) {
      buildProfiles(next.agents, rooms.home, rooms.hosting)
      checkProfiles(next.sandbox, hidden, namedProfiles(next))
    },
    apply: () => undefined,
  })
  live.take({ prefixes: ["providers", "models", "agents.defaults.model"], apply: () => rooms.renewModels() })
  live.take({
    prefixes: ["providers", "tools", "agents", "gateway.remote"],
    apply(next) {
      for (const secret of knownSecrets({ config: next, env: rooms.env, base: rooms.home })) rooms.redactor.add(secret)
    },
  })
}

/** Sandbox profiles that agents name. */
export function namedProfiles({ agents }: Config): (string | undefined)[] {
  return [agents.defaults, ...Object.values(agents.entries)].map((agent) => agent.sandbox)
}

/** All agents by id, as they are now. */
export function liveAgents(
  live: Pick<LiveConfig, "current">,
  home: string,
  hosting: Hosting,
): () => ReadonlyMap<string, AgentProfile> {
  return perSnapshot(live, (config) => buildProfiles(config.agents, home, hosting))
}

/** The sandbox's settings as they are now; who commands run as and where bubblewrap is stay as they were at the start. */
export function sandboxSettings(live: Pick<LiveConfig, "current">): SandboxSettings {
  const { bwrap, uid } = live.current().sandbox
  return {
    uid,
    bwrap,
    get profile() {
      return live.current().sandbox.profile
    },
    get profiles() {
      return live.current().sandbox.profiles
    },
  }
}

/** What tools are told, as it is now. */
export function toolSettings(live: Pick<LiveConfig, "current">, env: Env, base: string): ToolSettings {
  const now = perSnapshot(live, (config) => toolSettingsIn(config, env, base))
  return {
    get maxOutputChars() {
      return now().maxOutputChars
    },
    get exec() {
      return now().exec
    },
    get fetch() {
      return now().fetch
    },
    get search() {
      return now().search
    },
  }
}

function toolSettingsIn(config: Config, env: Env, base: string): ToolSettings {
  const { exec, search } = config.tools
  const path = env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
  const home = env["HOME"] ?? userInfo().homedir
  return {
    maxOutputChars: config.tools.maxOutputChars,
    exec: { ...exec, env: { PATH: path, HOME: home, LANG: env["LANG"] ?? "C.UTF-8", ...exec.env } },
    fetch: config.tools.fetch,
    search: {
      service: search.service,
      apiKey: secretReader(search.apiKey, { env, base, name: "tools.search.apiKey" }),
      ...(search.baseUrl === undefined ? {} : { baseUrl: search.baseUrl }),
    },
  }
}
