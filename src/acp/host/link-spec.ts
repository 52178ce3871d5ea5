// From an agent's profile to what is started for it: its program, its environment, where it begins.
import { stat } from "node:fs/promises"
import { isAbsolute, resolve } from "node:path"
import type { AgentProfile } from "../../agent/agent.ts"
import { PincerError } from "../../base/errors.ts"
import type { LinkSpec } from "./agent-link.ts"
import { agentEnvironment } from "./environment.ts"
import type { HostPorts } from "./host-ports.ts"

/** `extra`: variables that its log-in turned out to need. Throws PincerError. */
export async function linkSpec(
  ports: HostPorts,
  profile: AgentProfile,
  cwd: string,
  extra: Readonly<Record<string, string>> = {},
): Promise<LinkSpec> {
  const { hosted } = profile
  if (!hosted) throw new PincerError("INVALID_PARAMS", `Agent "${profile.id}" is no external one`)
  const known = hosted.known === undefined ? undefined : ports.known(hosted.known)
  if (hosted.known !== undefined && !known)
    throw new PincerError("NOT_FOUND", `There is no known agent "${hosted.known}": run "pincer agents list --all"`)
  const argv = hosted.command ?? (known ? await ports.find(known) : [])
  const [program] = argv
  if (program === undefined || program === "")
    throw new PincerError(
      "INVALID_PARAMS",
      `Agent "${profile.id}" has no command: set agents.entries.${profile.id}.acp.command`,
    )
  const quirks = known?.quirks ?? {}
  const given = { ...hosted.env(), ...extra }
  return {
    agentId: profile.id,
    title: known?.title ?? "The agent",
    argv,
    program: {
      file: program.includes("/") && !isAbsolute(program) ? resolve(cwd, program) : program,
      args: argv.slice(1),
      cwd: hosted.confined ? cwd : await firstFolder([profile.workspace, cwd]),
      env: agentEnvironment({ gateway: ports.env, root: ports.root ?? false, quirks, given }),
    },
    confined: hosted.confined,
    cwd,
    protocol: hosted.protocol,
    quirks,
  }
}

/** One process serves sessions in many folders: it begins in the agent's own, where that is there already. */
async function firstFolder(folders: readonly string[]): Promise<string> {
  for (const folder of folders) {
    const found = await stat(folder).catch(() => undefined)
    if (found?.isDirectory()) return folder
  }
  return folders.at(-1)!
}

/** How the agent is named in the memory of sessions: not by where it is installed today. */
export function agentName({ hosted }: AgentProfile): string {
  return hosted?.command ? JSON.stringify(hosted.command) : `known:${hosted?.known ?? ""}`
}
