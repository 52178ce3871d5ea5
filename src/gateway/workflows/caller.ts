// Who started a run, kept with it as plain JSON: its steps are judged as this caller's, also after a restart.
import { z } from "zod"
import { parseWith } from "../../base/schema.ts"
import { PERMISSION_MODES, PRESETS } from "../../protocol/permission.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import type { StepAddress } from "../../workflow/engine/ports.ts"

const mark = z.object({
  source: z.enum(["web", "channel", "mcp", "outside", "host"]),
  detail: z.string(),
  callId: z.string().optional(),
})

const permissions = z.object({
  mode: z.enum(PERMISSION_MODES).optional(),
  preset: z.enum(PRESETS).optional(),
  allowedTools: z.array(z.string()).optional(),
  deniedTools: z.array(z.string()).optional(),
  authPolicy: z.enum(["skip", "fail"]).optional(),
  nonInteractive: z.enum(["deny", "fail"]).optional(),
})

const schema = z.object({
  sessionKey: z.string(),
  agentId: z.string(),
  /** Absolute, symlinks resolved: what programs of the run may write to, and no folder beside it. */
  workspace: z.string(),
  /** The owner asked for this run: what only the mode asks about is approved with it. */
  approved: z.boolean(),
  /** Goes on by itself after a crash, unless something is uncertain. */
  recovery: z.enum(["resume", "mark"]).default("mark"),
  /** Through which door its steps come: nobody is asked about those that the clock started. */
  door: z.enum(["workflow", "schedule"]).optional(),
  clientId: z.string().optional(),
  deviceId: z.string().optional(),
  channel: z.string().optional(),
  sender: z.string().optional(),
  stranger: z.boolean().optional(),
  /** The turn whose tool call runs it, and what that turn was asked through. */
  turnId: z.string().optional(),
  parentTurnId: z.string().optional(),
  permissions: permissions.optional(),
  /** Service and model that wanted it. */
  provider: z.string().optional(),
  model: z.string().optional(),
  /** What the conversation that started it has read from outside. */
  taint: z.array(mark).default([]),
})

export type RunCaller = z.infer<typeof schema>

/** Of a run that was started without a gateway: what the owner did at the command line, with nobody's leave in advance. */
function unknownCaller({ agentId }: StepAddress, workspace: string): RunCaller {
  const { key } = parseSessionKey("workflow", agentId)
  return { sessionKey: key, agentId, workspace, approved: false, recovery: "mark", taint: [], clientId: "cli" }
}

/** `cwd`: the run's own folder, for one that nobody of this house started. */
export async function callerOf(address: StepAddress, cwd: () => Promise<string>): Promise<RunCaller> {
  if (!address.caller) return unknownCaller(address, await cwd())
  return parseWith(schema, address.caller, `Run ${address.runId} was started by nobody that is known`)
}

/** Whether the owner's word for it goes with the run. */
export function isApproved(settings: Readonly<Record<string, unknown>>): boolean {
  const found = z.object({ caller: schema }).safeParse(settings)
  return found.success && found.data.caller.approved
}

export function recoveryOf(settings: Readonly<Record<string, unknown>>): RunCaller["recovery"] {
  const found = z.object({ caller: schema }).safeParse(settings)
  return found.success ? found.data.caller.recovery : "mark"
}
