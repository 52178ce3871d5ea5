// Every pipeline command there is. Nothing registers itself.
import type { Command } from "../command.ts"
import { approve } from "./approve.ts"
import { ask } from "./ask.ts"
import { workflowsList, workflowsRun } from "./built-in-workflows.ts"
import { commandsList } from "./commands-list.ts"
import { dedupe } from "./dedupe.ts"
import { emailTriage } from "./email-triage.ts"
import { exec } from "./exec.ts"
import { gogGmailSearch, gogGmailSend } from "./gog-gmail.ts"
import { groupBy } from "./group-by.ts"
import { head } from "./head.ts"
import { json } from "./json.ts"
import { llmInvoke, llmTaskInvoke } from "./llm-invoke.ts"
import { map } from "./map.ts"
import { openclawAgent } from "./openclaw-agent.ts"
import { clawdInvoke, openclawInvoke } from "./openclaw-invoke.ts"
import { pick } from "./pick.ts"
import { sort } from "./sort.ts"
import { diffLast, stateGet, stateSet } from "./state.ts"
import { table } from "./table.ts"
import { template } from "./template.ts"
import { where } from "./where.ts"

export const commands: readonly Command[] = [
  approve,
  ask,
  clawdInvoke,
  commandsList,
  dedupe,
  diffLast,
  emailTriage,
  exec,
  gogGmailSearch,
  gogGmailSend,
  groupBy,
  head,
  json,
  llmInvoke,
  llmTaskInvoke,
  map,
  openclawAgent,
  openclawInvoke,
  pick,
  sort,
  stateGet,
  stateSet,
  table,
  template,
  where,
  workflowsList,
  workflowsRun,
]
