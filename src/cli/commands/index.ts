// The command tree: one file a verb group, one line here. A file only declares; what a command does is imported when it is called.
import { acp } from "./acp.ts"
import { agents } from "./agents.ts"
import { approvals } from "./approvals.ts"
import { ask } from "./ask.ts"
import { audit } from "./audit.ts"
import { backup } from "./backup.ts"
import { chat } from "./chat.ts"
import { completion } from "./completion.ts"
import { config } from "./config.ts"
import { cron } from "./cron.ts"
import { device } from "./device.ts"
import { doctor } from "./doctor.ts"
import { gateway } from "./gateway.ts"
import type { CommandGroup } from "./group.ts"
import { job } from "./job.ts"
import { lobster } from "./lobster.ts"
import { logs } from "./logs.ts"
import { mcp } from "./mcp.ts"
import { models } from "./models.ts"
import { plan } from "./plan.ts"
import { policy } from "./policy.ts"
import { profiles } from "./profiles.ts"
import { sandbox } from "./sandbox.ts"
import { session } from "./session.ts"
import { status } from "./status.ts"
import { update } from "./update.ts"
import { workflow } from "./workflow.ts"

/** Each is named after the verb that it adds. */
export const groups: readonly CommandGroup[] = [
  ask,
  chat,
  gateway,
  status,
  doctor,
  session,
  device,
  sandbox,
  policy,
  acp,
  agents,
  approvals,
  job,
  cron,
  workflow,
  lobster,
  plan,
  mcp,
  models,
  config,
  profiles,
  logs,
  audit,
  backup,
  update,
  completion,
]

/** Those that look at the whole tree. */
export const needsAll: ReadonlySet<CommandGroup> = new Set([completion])
