// Our answers against the JSON Schema that the original gateway's authors publish (npm @openclaw/gateway-protocol): every member that it
// requires is there, every one that it knows has its type. What we say beyond it is ours.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { Ajv } from "ajv"
import { isObject } from "../src/base/json.ts"
import { clawConnect, openRaw } from "./frames.ts"
import { startHouse } from "./house.ts"

const published = new URL("../node_modules/@openclaw/gateway-protocol/protocol.schema.json", import.meta.url)

/** Without the rule that there may be no other members, and without the limits of lengths. */
function opened(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(opened)
  if (!isObject(schema)) return schema
  const left = Object.entries(schema).filter(
    ([name, value]) => !(name === "additionalProperties" && value === false) && name !== "maxLength",
  )
  return Object.fromEntries(left.map(([name, value]) => [name, opened(value)]))
}

const CALLS: [method: string, definition: string, params?: Record<string, unknown>][] = [
  ["agents.list", "AgentsListResult"],
  ["agents.files.list", "AgentsFilesListResult", { agentId: "main" }],
  ["agents.files.get", "AgentsFilesGetResult", { agentId: "main", name: "AGENTS.md" }],
  ["agents.files.set", "AgentsFilesSetResult", { agentId: "main", name: "AGENTS.md", content: "# Rules" }],
  ["agents.workspace.list", "AgentsWorkspaceListResult", { agentId: "main" }],
  ["agents.workspace.get", "AgentsWorkspaceGetResult", { agentId: "main", path: "AGENTS.md" }],
  ["agent.identity.get", "AgentIdentityResult"],
  ["sessions.create", "SessionsCreateResult", { key: "made", label: "Made", model: "offline/rules" }],
  ["sessions.resolve", "SessionsResolveResult", { key: "made" }],
  ["sessions.resolve", "SessionsResolveResult", { key: "none", allowMissing: true }],
  ["sessions.search", "SessionsSearchResult", { query: "hello" }],
  ["sessions.create", "SessionsCreateResult", { key: "sorted", category: "Work" }],
  ["sessions.groups.list", "SessionsGroupsListResult"],
  ["sessions.groups.put", "SessionsGroupsMutationResult", { names: ["Work"], sectionOrder: ["groups"] }],
  ["sessions.groups.rename", "SessionsGroupsMutationResult", { name: "Work", to: "Home" }],
  ["sessions.groups.defaults", "SessionsGroupsDefaultsResult"],
  ["sessions.groups.update", "SessionsGroupsUpdateResult", { name: "Home", cwd: null, worktree: false }],
  ["sessions.groups.delete", "SessionsGroupsMutationResult", { name: "Home" }],
  [
    "sessions.patchMany",
    "SessionsPatchManyResult",
    { targets: [{ key: "sorted" }, { key: "none" }], patch: { pinned: true } },
  ],
  ["sessions.files.list", "SessionsFilesListResult", { sessionKey: "main", path: "" }],
  ["sessions.files.get", "SessionsFilesGetResult", { sessionKey: "main", path: "AGENTS.md" }],
  ["sessions.diff", "SessionsDiffResult", { sessionKey: "main" }],
  ["cron.add", "CronAddResult", { declarationKey: "k", schedule: "0 9 * * *", message: "x", id: "k" }],
  ["sessions.branches.list", "SessionsBranchesListResult", { sessionKey: "main" }],
  ["sessions.compaction.list", "SessionsCompactionListResult", { key: "main" }],
  ["update.status", "UpdateStatusResult"],
  ["job.submit", "", { prompt: "hello" }],
  ["tasks.list", "TasksListResult", { status: ["queued", "running", "completed"] }],
  ["tasks.cancel", "TasksCancelResult", { taskId: "none" }],
  ["tasks.retry", "TasksRecoveryResult", { taskIds: ["none"] }],
  ["audit.activity.list", "AuditActivityListResult"],
  ["audit.list", "AuditListResult", { kind: "agent_run" }],
  ["sessions.delete", "SessionsDeleteResult", { key: "made" }],
  ["commands.list", "CommandsListResult", { agentId: "main" }],
  ["tools.catalog", "ToolsCatalogResult"],
  ["tools.effective", "ToolsEffectiveResult", { sessionKey: "main" }],
  ["tools.invoke", "ToolsInvokeResult", { name: "LS", args: { path: "." } }],
  ["models.list", "ModelsListResult"],
  ["models.probe", "ModelsProbeResult", { provider: "offline" }],
  [
    "question.request",
    "QuestionRequestResult",
    { id: "q", questions: [{ questionId: "why", header: "Why", question: "Why?", options: [{ label: "So" }] }] },
  ],
  ["question.list", "QuestionListResult"],
  ["question.waitAnswer", "QuestionWaitAnswerResult", { id: "q", timeoutMs: 0 }],
  ["question.resolve", "QuestionResolveResult", { id: "q", answers: { answers: { why: ["So"] } } }],
  ["question.get", "QuestionGetResult", { id: "q" }],
  ["exec.create", "", { id: "a", command: "ls" }],
  ["approval.get", "ApprovalGetResult", { id: "a" }],
  ["approval.resolve", "ApprovalResolveResult", { id: "a", kind: "exec", decision: "deny" }],
  ["approval.history", "ApprovalHistoryResult", { kind: "exec" }],
  ["exec.approval.grants.list", "ExecApprovalGrantsListResult"],
  ["exec.approval.grants.revoke", "ExecApprovalGrantsRevokeResult", { grantId: "x" }],
  ["system.info", "SystemInfoResult"],
  ["wizard.start", "WizardStartResult", { mode: "local" }],
  ["config.schema.lookup", "ConfigSchemaLookupResult", { path: "gateway.port" }],
  ["logs.tail", "LogsTailResult", { limit: 5 }],
]

test("our answers fit the published schema of the protocol", async (t) => {
  const { definitions } = opened(JSON.parse(readFileSync(published, "utf8"))) as { definitions: Record<string, object> }
  // Once for all: compiled beside each shape anew, all the others would cost most of the test's time.
  const ajv = new Ajv({ strict: false, logger: false }).addSchema({ $id: "published", definitions })
  const house = await startHouse({ config: { update: { check: false } } })
  t.after(() => house.close())
  const wire = await openRaw(house.wsUrl)
  t.after(() => wire.socket.terminate())
  await wire.ask("connect", clawConnect(4, house.token))
  await wire.ask("chat.send", { sessionKey: "main", message: "hello", wait: true })
  const misfits: string[] = []
  for (const [method, definition, params = {}] of CALLS) {
    const answer = await wire.ask(method, params)
    assert.equal(answer.ok, true, `${method}: ${answer.error?.message}`)
    if (!definitions[definition]) {
      if (definition !== "") misfits.push(`${definition} is not published`)
      continue
    }
    const fits = ajv.getSchema(`published#/definitions/${definition}`)!
    if (!fits(answer.payload)) misfits.push(`${method}: ${ajv.errorsText(fits.errors?.slice(0, 4))}`)
  }
  assert.deepEqual(misfits, [])
})
