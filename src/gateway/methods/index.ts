// The method table: every control-plane call there is. features.methods, scope checks, docs/protocol.md and the JSON Schema follow
// from it. `connect` and `events.resume` are answered by the connection itself and are only described here.
import { agentConfigMethods } from "./agent-config.ts"
import { agentFileMethods } from "./agent-files.ts"
import { agentMethods } from "./agents.ts"
import { approvalRequestMethods } from "./approval-requests.ts"
import { approvalMethods } from "./approvals.ts"
import { askMethods } from "./ask.ts"
import { auditMethods } from "./audit.ts"
import { autonomyMethods } from "./autonomy.ts"
import { backupMethods } from "./backup.ts"
import { chatMethods } from "./chat.ts"
import { chatNoteMethods } from "./chat-notes.ts"
import { chatStartupMethods } from "./chat-startup.ts"
import { clientMethods } from "./client.ts"
import { commandMethods } from "./commands.ts"
import { configMethods } from "./config.ts"
import { configSchemaMethods } from "./config-schema.ts"
import { connectionMethods } from "./connect.ts"
import { cronMethods } from "./cron.ts"
import { cronScratchMethods } from "./cron-scratch.ts"
import { deviceCodeMethods } from "./device-codes.ts"
import { deviceMethods } from "./devices.ts"
import { diagnosticMethods } from "./diagnostics.ts"
import { doctorMethods } from "./doctor.ts"
import { elevatedMethods } from "./elevated.ts"
import { execApprovalMethods } from "./exec-approvals.ts"
import { forkMethods } from "./fork.ts"
import { healthMethods } from "./health.ts"
import { imSessionMethods } from "./im-sessions.ts"
import { jobMethods } from "./jobs.ts"
import { logMethods } from "./logs.ts"
import { mcpMethods } from "./mcp.ts"
import type { Method } from "./method.ts"
import { modelServiceMethods } from "./model-services.ts"
import { modelMethods } from "./models.ts"
import { planMethods } from "./plans.ts"
import { questionMethods } from "./questions.ts"
import { sendMethods } from "./send.ts"
import { sessionCleanupMethods } from "./session-cleanup.ts"
import { sessionCreateMethods } from "./session-create.ts"
import { sessionEventMethods } from "./session-events.ts"
import { sessionFileMethods } from "./session-files.ts"
import { sessionGroupMethods } from "./session-groups.ts"
import { sessionLookupMethods } from "./session-lookup.ts"
import { sessionOptionMethods } from "./session-options.ts"
import { sessionPatchMethods } from "./session-patch.ts"
import { sessionSubscriptionMethods } from "./session-subscriptions.ts"
import { sessionTalkMethods } from "./session-talk.ts"
import { sessionWayMethods } from "./session-ways.ts"
import { sessionMethods } from "./sessions.ts"
import { systemMethods } from "./system.ts"
import { taskMethods } from "./tasks.ts"
import { toolCallMethods } from "./tool-calls.ts"
import { toolMethods } from "./tools.ts"
import { turnMethods } from "./turns.ts"
import { updateMethods } from "./update.ts"
import { usageMethods } from "./usage.ts"
import { usageViewMethods } from "./usage-views.ts"
import { wakeMethods } from "./wake.ts"
import { windowMethods } from "./window.ts"
import { wizardMethods } from "./wizard.ts"
import { workflowWatchMethods } from "./workflow-watch.ts"
import { workflowRunMethods } from "./workflows.ts"

export const methods: readonly Method[] = [
  ...healthMethods,
  ...chatMethods,
  ...chatNoteMethods,
  ...chatStartupMethods,
  ...sendMethods,
  ...sessionMethods,
  ...sessionPatchMethods,
  ...sessionGroupMethods,
  ...sessionFileMethods,
  ...sessionCreateMethods,
  ...sessionCleanupMethods,
  ...sessionLookupMethods,
  ...sessionSubscriptionMethods,
  ...sessionTalkMethods,
  ...forkMethods,
  ...sessionWayMethods,
  ...windowMethods,
  ...turnMethods,
  ...planMethods,
  ...sessionEventMethods,
  ...sessionOptionMethods,
  ...clientMethods,
  ...askMethods,
  ...imSessionMethods,
  ...agentMethods,
  ...agentConfigMethods,
  ...agentFileMethods,
  ...modelMethods,
  ...modelServiceMethods,
  ...configMethods,
  ...configSchemaMethods,
  ...toolMethods,
  ...toolCallMethods,
  ...mcpMethods,
  ...logMethods,
  ...systemMethods,
  ...wakeMethods,
  ...diagnosticMethods,
  ...commandMethods,
  ...wizardMethods,
  ...usageMethods,
  ...updateMethods,
  ...doctorMethods,
  ...usageViewMethods,
  ...approvalMethods,
  ...approvalRequestMethods,
  ...execApprovalMethods,
  ...questionMethods,
  ...auditMethods,
  ...backupMethods,
  ...elevatedMethods,
  ...jobMethods,
  ...taskMethods,
  ...cronMethods,
  ...cronScratchMethods,
  ...autonomyMethods,
  ...workflowRunMethods,
  ...workflowWatchMethods,
  ...deviceMethods,
  ...deviceCodeMethods,
]

/** Every name that a connection may call, sorted: what features.methods announces. */
export function methodNames(): string[] {
  return [...methods, ...connectionMethods].flatMap((entry) => [entry.name, ...(entry.aliases ?? [])]).sort()
}
