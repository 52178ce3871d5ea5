// `pincer sandbox check` and `explain`: what confines commands on this machine, and what an agent's commands may see, write and reach,
// each part with the configuration key that decides it.
import { statSync } from "node:fs"
import { PincerError } from "../base/errors.ts"
import type { Cli } from "./cli.ts"
import { inert } from "./inert.ts"
import { judgeCall, shownOutcome, showOutcome, type TrialLeave, type TrialRoom } from "./policy.ts"
import { Exit } from "./report.ts"
import { folderOf, type OpenSandbox, openFromConfig, type ShownProfile } from "./sandbox-open.ts"
import { bytes } from "./status.ts"

/** Throws Exit(1) when nothing can be confined. */
export async function checkSandbox(cli: Cli, flags: { json?: boolean }, open: OpenSandbox): Promise<void> {
  const { sandbox } = openFromConfig(cli, open)
  try {
    const report = await sandbox.report()
    if (flags.json) cli.out.json(report)
    else {
      const { out } = cli
      out.line(`${report.available ? out.paint("✓", "green") : out.paint("✗", "red")} ${inert(report.detail)}`)
      for (const fact of report.facts) out.line(`  ${inert(fact)}`)
      for (const warning of report.warnings) out.line(`${out.paint("!", "yellow")} ${inert(warning)}`)
      if (!report.available) out.line("  Commands of agents are refused; they are never run without a sandbox.")
      if (report.install !== undefined) out.line(`  ${out.paint("fix:", "dim")} ${report.install}`)
    }
    if (!report.available) throw new Exit(1)
  } finally {
    sandbox.close()
  }
}

interface ExplainFlags {
  sandboxProfile?: string
  agent?: string
  session?: string
  cwd?: string
  json?: boolean
}

interface Part {
  part: string
  value: string
  /** The configuration key that decides it. */
  key: string
}

/** `room` judges the command, when there is one. */
export async function explainSandbox<R, L extends TrialLeave>(
  cli: Cli,
  command: readonly string[],
  flags: ExplainFlags,
  open: OpenSandbox,
  room?: TrialRoom<R, L>,
): Promise<void> {
  const { loaded, sandbox } = openFromConfig(cli, open)
  try {
    const { agents, sandbox: settings } = loaded.config
    const agent = flags.agent ?? agentOf(flags.session) ?? agents.default
    if (agent !== agents.default && agent !== "main" && !agents.entries[agent])
      throw new PincerError("NOT_FOUND", `Unknown agent "${agent}": run "pincer config get agents.entries"`)
    const [name, source] = chosen([
      [flags.sandboxProfile, "--sandbox-profile"],
      [agents.entries[agent]?.sandbox, `agents.entries.${agent}.sandbox`],
      [agents.defaults.sandbox, "agents.defaults.sandbox"],
      [settings.profile, "sandbox.profile"],
    ])
    const profile = sandbox.profile(name)
    const workspace = folderOf(cli, flags.cwd)
    const report = await sandbox.report()
    const custom = settings.profiles[profile.name] !== undefined
    const parts = partsOf(profile, custom, source, workspace)
    const note = noteFor(workspace, settings.uid, profile)
    const call = { tool: "Bash", args: { command: lineOf(command) } }
    const outcome = room && (await judgeCall(cli, call, { agent, cwd: workspace }, room))
    if (flags.json) {
      const decision = outcome === undefined ? {} : { decision: shownOutcome(outcome) }
      const { available } = report
      cli.out.json({ agent, profile, source, workspace, available, parts, ...(note ? { note } : {}), ...decision })
      return
    }
    cli.out.line(`Commands of agent ${agent} in ${inert(workspace)}`)
    for (const { key, part, value } of parts)
      cli.out.line(`  ${part.padEnd(10)} ${inert(value)}  ${cli.out.paint(key, "dim")}`)
    if (note !== undefined) cli.out.line(`${cli.out.paint("!", "yellow")} ${inert(note)}`)
    if (!report.available) cli.out.line(`${cli.out.paint("✗", "red")} Nothing is run now: ${inert(report.detail)}`)
    if (outcome !== undefined) {
      cli.out.line()
      cli.out.line(`Would the agent run ${inert(call.args.command)}:`)
      showOutcome(cli, outcome)
    }
  } finally {
    sandbox.close()
  }
}

/** One word is a line of the shell; several are a program and its arguments. */
function lineOf(command: readonly string[]): string {
  if (command.length === 1) return command[0]!
  return command.map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(" ")
}

function agentOf(session: string | undefined): string | undefined {
  if (session === undefined) return undefined
  return /^agent:([^:]+):/.exec(session)?.[1]
}

function chosen(layers: readonly [string | undefined, string][]): [string, string] {
  for (const [name, source] of layers) if (name !== undefined) return [name, source]
  throw new TypeError("sandbox.profile has a default")
}

const UNLIMITED = "not limited on macOS"

function partsOf(profile: ShownProfile, custom: boolean, source: string, workspace: string): Part[] {
  const { limits, loopbackPorts, network, read, write } = profile
  const key = (name: string) => `sandbox.profiles.${custom ? profile.name : "<yours>"}.${name}`
  const isMac = process.platform === "darwin"
  const list = (items: readonly string[]) => (items.length === 0 ? "nothing" : items.join(", "))
  const hosts = network.map(({ host, ports }) => `${host} (ports ${(ports ?? [80, 443]).join(", ")})`)
  return [
    { part: "profile", value: profile.name, key: source },
    { part: "workspace", value: `${workspace}, ${profile.workspace}`, key: key("workspace") },
    {
      part: "read",
      value: [`${isMac ? "the system" : "/usr"}, programs of the search path`, ...read].join(", "),
      key: key("read"),
    },
    { part: "write", value: list([`${isMac ? "TMPDIR" : "/tmp"} (private, empty)`, ...write]), key: key("write") },
    { part: "hidden", value: "homes, keys, Pincer's own folder, everything else", key: "always" },
    { part: "network", value: hosts.length === 0 ? "none" : hosts.join(", "), key: key("network") },
    { part: "loopback", value: list(loopbackPorts.map(String)), key: key("loopbackPorts") },
    { part: "processes", value: isMac ? UNLIMITED : String(limits.processes), key: key("limits.processes") },
    { part: "memory", value: isMac ? UNLIMITED : `${bytes(limits.memoryBytes)} each`, key: key("limits.memoryBytes") },
    { part: "cpu", value: `${limits.cpuSeconds} s each`, key: key("limits.cpuSeconds") },
    { part: "file size", value: bytes(limits.fileBytes), key: key("limits.fileBytes") },
    { part: "open files", value: String(limits.openFiles), key: key("limits.openFiles") },
  ]
}

function noteFor(workspace: string, uid: number, profile: ShownProfile): string | undefined {
  if (process.getuid?.() !== 0 || profile.workspace !== "read-write" || statSync(workspace).uid !== 0) return undefined
  return `${workspace} belongs to root: commands run as user ${uid} there and cannot write. Run Pincer as an ordinary user, or: chown -R ${uid} ${workspace}`
}
