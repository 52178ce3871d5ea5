// The original gateway's file of exec approvals, as a view of ours: what agents may run without asking comes from the rules that answers
// wrote, what is asked at all from the configuration. Rules can be taken out and added through it; the rest is the configuration's.
import { createHash } from "node:crypto"
import { isAbsolute } from "node:path"
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { resolvePermissions } from "../../policy/permissions.ts"
import type { PermissionMode } from "../../protocol/permission.ts"
import type { GrantRow } from "../../store/grants.ts"
import { configuredAgents } from "../agents/agents.ts"
import { requireAgent } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { configuredPermissions } from "../policy/rights.ts"

const pattern = z.looseObject({
  id: z.string().optional(),
  pattern: z.string().min(1).max(4_096),
  argPattern: z.string().max(4_096).optional(),
})
const settings = {
  security: z.string().optional(),
  ask: z.string().optional(),
  askFallback: z.string().optional(),
}

export const execFile = () =>
  z.looseObject({
    version: z.literal(1),
    defaults: z.looseObject(settings).optional(),
    agents: z.record(z.string(), z.looseObject({ ...settings, allowlist: z.array(pattern).optional() })).optional(),
  })
export type ExecFile = z.infer<ReturnType<typeof execFile>>

/** What each mode means in the words of the file. */
const WORDS: Readonly<Record<PermissionMode, { security: string; ask: string; askFallback: string }>> = {
  "deny-all": { security: "deny", ask: "off", askFallback: "deny" },
  "approve-reads": { security: "allowlist", ask: "on-miss", askFallback: "deny" },
  "approve-all": { security: "full", ask: "off", askFallback: "deny" },
}

function wordsFor(agentId: string, parts: Parts) {
  return WORDS[resolvePermissions(configuredPermissions(parts.config, agentId, { door: "control" })).mode]
}

/** Rules about programs: one entry for each, with the words after the program as its argPattern. */
async function rulesOf(parts: Parts): Promise<{ grant: GrantRow; words: string[] }[]> {
  const grants = await parts.approvals.rules({ scope: "agent" })
  return grants.flatMap((grant) => {
    if (!("command" in grant.match)) return []
    const [words, ...others] = grant.match.command
    return words && others.length === 0 ? [{ grant, words }] : []
  })
}

export async function execSnapshot(parts: Parts) {
  const rules = await rulesOf(parts)
  const ids = new Set([...configuredAgents(parts).map(({ id }) => id), ...rules.map(({ grant }) => grant.agentId)])
  const agents = [...ids].map((id) => {
    const allowlist = rules.filter(({ grant }) => grant.agentId === id).map(({ grant, words }) => entryOf(grant, words))
    return [id, { ...wordsFor(id, parts), allowlist }] as const
  })
  const defaults = wordsFor(parts.config.agents.default, parts)
  const file: ExecFile = { version: 1, defaults, agents: Object.fromEntries(agents) }
  // Use is no change.
  const text = JSON.stringify(file, (key, value: unknown) => (key === "lastUsedAt" ? undefined : value))
  const hash = createHash("sha256").update(text).digest("hex")
  return {
    path: `${parts.home}#approvals`,
    exists: true,
    hash,
    file,
    resolvedDefaults: { ...defaults, autoAllowSkills: false },
  }
}

function entryOf({ id, lastUsedAt }: GrantRow, [program = "", ...rest]: string[]) {
  const used = lastUsedAt === null ? {} : { lastUsedAt }
  return {
    id,
    pattern: program,
    ...(rest.length === 0 ? {} : { argPattern: rest.join(" ") }),
    source: "allow-always",
    ...used,
  }
}

/** Throws INVALID_PARAMS for what only the configuration can say, CONFLICT when something has changed since `baseHash`. */
export async function changeExecFile(file: ExecFile, baseHash: string | undefined, who: string, parts: Parts) {
  const now = await execSnapshot(parts)
  if (baseHash === undefined)
    throw new PincerError("INVALID_PARAMS", "exec approvals base hash required; re-run exec.approvals.get and retry")
  if (baseHash !== now.hash)
    throw new PincerError("CONFLICT", "exec approvals changed since last load; re-run exec.approvals.get and retry")
  checkWords("defaults", file.defaults, now.file.defaults)
  const rules = await rulesOf(parts)
  const kept = new Set<string>()
  const added: { agentId: string; pattern: string }[] = []
  for (const [agentId, entry] of Object.entries(file.agents ?? {})) {
    requireAgent(agentId, parts)
    checkWords(`agents.${agentId}`, entry, now.file.agents?.[agentId] ?? wordsFor(agentId, parts))
    for (const one of entry.allowlist ?? []) {
      const known = rules.find(({ grant }) => grant.id === one.id && grant.agentId === agentId)
      if (known && known.words[0] === one.pattern) kept.add(known.grant.id)
      else added.push({ agentId, pattern: programOf(one) })
    }
  }
  for (const { grant } of rules) if (!kept.has(grant.id)) await parts.approvals.removeRule(grant.id, who)
  for (const { agentId, pattern: program } of added)
    await parts.approvals.addRule(
      {
        tool: "Bash",
        agentId,
        text: `Bash: ${program} *, for agent ${agentId}`,
        match: { command: [[program, "*"]] },
      },
      who,
    )
  return execSnapshot(parts)
}

type Words = Partial<Record<keyof typeof settings, string | undefined>>

function checkWords(where: string, wanted: Words | undefined, now: Words | undefined): void {
  for (const name of ["security", "ask", "askFallback"] as const) {
    const value = wanted?.[name]
    if (value === undefined || value === now?.[name]) continue
    throw new PincerError(
      "INVALID_PARAMS",
      `${where}.${name} cannot be set here: it follows from permissions and policy in the configuration (pincer config)`,
    )
  }
}

function programOf({ argPattern, pattern: program }: z.infer<typeof pattern>): string {
  if (isAbsolute(program) && !/[*?[\]{}\s]/.test(program) && (argPattern === undefined || argPattern === "*"))
    return program
  throw new PincerError(
    "INVALID_PARAMS",
    `"${program}" cannot be added: give the absolute path of one program, without wildcards and arguments`,
  )
}
