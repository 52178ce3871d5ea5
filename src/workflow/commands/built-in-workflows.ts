// workflows.list and workflows.run: the two workflows that are always there. They watch a pull request through the gh program and compare it with
// what they saw the last time.
import { PincerError } from "../../base/errors.ts"
import { canonicalJson } from "../../base/json.ts"
import { nearWords } from "../../base/spelling.ts"
import type { Command, CommandContext } from "../command.ts"
import { drained, isRecord, requiredArg } from "./items.ts"
import { jsonArg } from "./json-args.ts"
import { stateKey } from "./state.ts"

const MAX_BYTES = 8 * 1024 * 1024
const FIELDS = "number,title,url,state,isDraft,mergeable,reviewDecision,author,baseRefName,headRefName,updatedAt"
/** What is compared, in the order in which changes are told. */
const WATCHED = [
  ...["number", "title", "url", "state", "isDraft", "mergeable"],
  ...["reviewDecision", "updatedAt", "baseRefName", "headRefName"],
]
const SHORT = ["number", "title", "url", "state", "updatedAt"]

interface BuiltIn {
  name: string
  description: string
  args: Record<string, { type: string; description: string }>
  run(watched: Watched, args: Record<string, unknown>): unknown
}

interface Watched {
  repo: string
  prNumber: number
  key: string
  changed: boolean
  summary: { changedFields: string[]; changes: Record<string, { from: unknown; to: unknown }> }
  snapshot: Record<string, unknown>
}

const COMMON = {
  repo: { type: "string", description: "The repository: owner/name" },
  pr: { type: "number", description: "Number of the pull request" },
  key: { type: "string", description: "Where the last look is kept, instead of one place for each pull request" },
}

const BUILT_IN: readonly BuiltIn[] = [
  {
    name: "github.pr.monitor",
    description: "Looks at a pull request and says what has changed since the last look.",
    args: {
      ...COMMON,
      changesOnly: { type: "boolean", description: "Says nothing else when nothing has changed" },
      summaryOnly: { type: "boolean", description: "Without the whole pull request" },
    },
    run({ snapshot, ...watched }, args) {
      const { changed, key, prNumber, repo } = watched
      const base = { kind: "github.pr.monitor", repo, prNumber, key, changed }
      if (args["changesOnly"] === true && !changed) return { ...base, suppressed: true }
      const { summary } = watched
      return args["summaryOnly"] === true
        ? { ...base, summary, pr: some(snapshot, SHORT) }
        : { ...base, summary, prSnapshot: snapshot }
    },
  },
  {
    name: "github.pr.monitor.notify",
    description: "Looks at a pull request and gives one line for people when it has changed.",
    args: COMMON,
    run({ changed, prNumber, repo, snapshot, summary }) {
      const kind = "github.pr.monitor.notify"
      if (!changed) return { kind, suppressed: true }
      const what = summary.changedFields.join(", ")
      const message = `PR updated: ${repo}#${prNumber}: ${String(snapshot["title"])} (${what}). ${String(snapshot["url"])}`
      return { kind, changed, repo, prNumber, message, pr: some(snapshot, SHORT), summary }
    },
  },
]

export const workflowsList: Command = {
  name: "workflows.list",
  description: "The workflows that workflows.run knows",
  args: {},
  examples: [{ text: "workflows.list | pick name", description: "Their names" }],
  sideEffects: [],
  effect: "read",
  async run({ items }) {
    await drained(items)
    return {
      items: BUILT_IN.map(({ args, description, name }) => ({
        name,
        description,
        argsSchema: { type: "object", properties: args, required: ["repo", "pr"] },
        examples: [{ args: { repo: "owner/name", pr: 1 }, description }],
        sideEffects: [],
      })),
    }
  },
}

export const workflowsRun: Command = {
  name: "workflows.run",
  description: "Runs one of the workflows that are always there",
  args: {
    name: { type: "string", description: "Which one", required: true },
    "args-json": { type: "json", description: "Its arguments" },
  },
  examples: [
    { text: `workflows.run --name github.pr.monitor --args-json '{"repo":"o/r","pr":1}'`, description: "One look" },
  ],
  sideEffects: ["local_exec", "reads_state", "writes_state"],
  effect: "idempotent",
  async run({ args, items }, context) {
    await drained(items)
    const name = requiredArg(args, "name", "workflows.run")
    const found = BUILT_IN.find((one) => one.name === name)
    if (!found) {
      const [near] = nearWords(
        name,
        BUILT_IN.map((one) => one.name),
      )
      throw new PincerError(
        "NOT_FOUND",
        `Unknown workflow: ${name}${near === undefined ? "" : `: did you mean "${near}"?`}`,
      )
    }
    const given = jsonArg(args, "args-json", "workflows.run") ?? {}
    if (!isRecord(given)) throw new PincerError("INVALID_PARAMS", "workflows.run --args-json must be an object")
    return { items: [found.run(await look(name, given, context), given)] }
  },
}

async function look(name: string, args: Record<string, unknown>, context: CommandContext): Promise<Watched> {
  const { pr, repo } = args
  const prNumber = Number(pr)
  if (typeof repo !== "string" || repo === "" || pr === undefined || !Number.isInteger(prNumber))
    throw new PincerError("INVALID_PARAMS", `${name} needs args.repo and args.pr`)
  const key = typeof args["key"] === "string" && args["key"] !== "" ? args["key"] : `github.pr:${repo}#${prNumber}`
  const snapshot = await pullRequest(repo, prNumber, context)
  const before = await context.state.get(stateKey(key))
  await context.state.set(stateKey(key), snapshot)
  const known = isRecord(before) ? before : {}
  const changes: Watched["summary"]["changes"] = {}
  for (const field of WATCHED) {
    const [from, to] = [known[field] ?? null, snapshot[field] ?? null]
    if (canonicalJson(from) !== canonicalJson(to)) changes[field] = { from, to }
  }
  const changedFields = Object.keys(changes)
  return { repo, prNumber, key, changed: changedFields.length > 0, summary: { changedFields, changes }, snapshot }
}

async function pullRequest(
  repo: string,
  pr: number,
  { cwd, env, run }: CommandContext,
): Promise<Record<string, unknown>> {
  const argv = ["gh", "pr", "view", String(pr), "--repo", repo, "--json", FIELDS]
  const ran = await run({ line: { argv }, cwd, env, maxBytes: MAX_BYTES })
  if (ran.exitCode !== 0)
    throw new Error(
      `gh failed (${ran.killedBy ?? ran.exitCode}): ${(ran.stderr.trim() || ran.stdout.trim()).slice(0, 4_000)}`,
    )
  const value: unknown = JSON.parse(ran.stdout)
  if (isRecord(value)) return value
  throw new Error("gh gave no object")
}

function some(value: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, value[name]]))
}
