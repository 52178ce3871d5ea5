// How external agents are run here: where their processes start, in the sandbox or beside it, and where the running ones are written down.
import { readFile, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { AgentFinder } from "../../acp/host/find.ts"
import { type AgentHost, type HostPorts, openHost } from "../../acp/host/index.ts"
import { knownAgent } from "../../acp/host/known-agents.ts"
import { HostedAsides } from "../../agent/hosted-asides.ts"
import { forgetOverruled } from "../../agent/hosted-pins.ts"
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { Redactor } from "../../base/redact.ts"
import type { Env } from "../../config/paths.ts"
import type { Config } from "../../config/schema.ts"
import type { RecordedEnvelope } from "../../protocol/event.ts"
import type { Sandbox } from "../../sandbox/index.ts"
import type { Books } from "../../store/open.ts"
import { AuditedEgress } from "../policy/audited-egress.ts"

export interface AgentHostParts {
  clock: Clock
  log: Logger
  redactor: Redactor
  version: string
  env: Env
  home: string
  config: Config
  sandbox: Sandbox
  books: Books
  finder: Pick<AgentFinder, "require">
  publish(envelope: RecordedEnvelope): void
}

/** Processes that run now, for the next life of the gateway. */
const FILE = "agents-running.json"

export function openAgentHost(parts: AgentHostParts): AgentHost {
  const { books, clock, env, finder, home, log, publish, redactor, version } = parts
  const asides = new HostedAsides({
    ...{ clock, log, redactor, publish },
    changed: (sessionKey, facts) => forgetOverruled(books.sessions, sessionKey, facts),
    record: (sessionKey, session, events) => books.turns.aside(sessionKey, session, events),
  })
  const host = openHost({
    ...{ clock, log, redactor, version, env },
    root: process.getuid?.() === 0,
    known: knownAgent,
    find: (agent) => finder.require(agent),
    launch: (program, place) => launch(parts, program, place),
    leftovers: fileOf(join(home, FILE)),
    aside: (sessionKey, event, session) => asides.hear(sessionKey, event, session),
  })
  return {
    // What was said between two turns stands before the second one.
    run: (turn) => asides.settle(turn.session.key).then(() => host.run(turn)),
    probe: (profile, cwd) => host.probe(profile, cwd),
    // What the agent answers is recorded before the choice is stored.
    set: async (session, choices) => {
      const isSet = await host.set(session, choices)
      await asides.settle(session.key)
      return isSet
    },
    warm: () => host.warm(),
    close: () => host.close().finally(() => asides.close()),
  }
}

/** In the sandbox of its agent, with the folder that it works in; or as it is. */
const launch = async (
  { books, clock, config, sandbox }: AgentHostParts,
  program: Parameters<HostPorts["launch"]>[0],
  { agentId, confined, cwd }: Parameters<HostPorts["launch"]>[1],
): ReturnType<HostPorts["launch"]> => {
  if (!confined) return { ...program, close: async () => undefined }
  const profile = sandbox.profile(config.agents.entries[agentId]?.sandbox ?? config.agents.defaults.sandbox)
  const where = { agentId, sessionKey: "", turnId: "", callId: "", tool: "acp", profile: profile.name, workspace: cwd }
  const gate = new AuditedEgress(where, async (entry) => void (await books.audit.record({ ...entry, at: clock.now() })))
  const started = await sandbox.confine({ program, workspace: cwd, profile, egress: gate })
  return { ...started, close: () => started.close().finally(() => gate.close()) }
}

function fileOf(path: string): NonNullable<HostPorts["leftovers"]> {
  return {
    read: () => readFile(path, "utf8").catch(() => undefined),
    async write(text) {
      await writeFile(`${path}.new`, text, { mode: 0o600 })
      await rename(`${path}.new`, path)
    },
  }
}
