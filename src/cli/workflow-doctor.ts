// `pincer workflow doctor`: whether workflows can run here: that runs are kept, that a pipeline gives what it should, that programs start, and what
// waits. What it tries is removed again. Exit code 1 when something does not work.
import { asPincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { Envelope } from "../protocol/workflow.ts"
import type { Cli } from "./cli.ts"
import { inertLine } from "./inert.ts"
import { Exit } from "./report.ts"
import { type WorkflowReach, withGateway } from "./workflow.ts"

interface Check {
  id: string
  ok: boolean
  detail: string
}

const PATIENCE_MS = 30_000

export async function workflowDoctor(cli: Cli, flags: { json?: boolean; unsandboxed?: boolean }): Promise<void> {
  const checks = await withGateway(cli, (reach) => checked(cli, reach), { unsandboxed: flags.unsandboxed === true })
  if (flags.json) cli.out.json({ ok: checks.every(({ ok }) => ok), checks })
  else
    for (const { detail, id, ok } of checks)
      cli.out.line(`${ok ? cli.out.paint("✓", "green") : cli.out.paint("✗", "red")} ${id}: ${inertLine(detail)}`)
  if (checks.some(({ ok }) => !ok)) throw new Exit(1)
}

async function checked(cli: Cli, { client }: WorkflowReach): Promise<Check[]> {
  const check = async (id: string, look: () => Promise<string>): Promise<Check> => {
    try {
      return { id, ok: true, detail: await look() }
    } catch (error) {
      return { id, ok: false, detail: asPincerError(error).message }
    }
  }
  const count = async (method: string, list: string, params = {}) => {
    const answer = await client.request(method, params)
    return isObject(answer) && Array.isArray(answer[list]) ? answer[list].length : 0
  }
  return [
    await check("runs", async () => {
      const kept = await count("workflow.runs", "runs", { limit: 1 })
      return kept === 0 ? "they can be kept; there is none yet" : "they are kept"
    }),
    await check("pipelines", () =>
      tried(cli, client, "commands.list | where name=head | pick name", '{"name":"head"}'),
    ),
    await check("programs", () => tried(cli, client, "exec --json --shell 'echo [1]'", "1")),
    await check("waiting", async () => {
      const gates = await count("workflow.pending", "gates")
      return gates === 0 ? "nobody is waited for" : `${gates} for an answer: pincer workflow pending`
    }),
    await check("in doubt", async () => {
      const runs = await count("workflow.runs", "runs", { status: ["uncertain"], limit: 100 })
      return runs === 0 ? "no run stopped at a step that may have acted" : `${runs}: pincer workflow pending`
    }),
  ]
}

/** Runs it, and removes the run. */
async function tried(cli: Cli, client: WorkflowReach["client"], pipeline: string, wanted: string): Promise<string> {
  const params = { pipeline, args: {}, cwd: cli.cwd, wait: true }
  const answer = await client.request("workflow.run", params, { timeoutMs: PATIENCE_MS })
  const envelope = isObject(answer) ? (answer["envelope"] as Envelope | undefined) : undefined
  if (envelope?.runId !== undefined) {
    if (envelope.ok && envelope.status !== "ok") await client.request("workflow.cancel", { runId: envelope.runId })
    await client.request("workflow.delete", { runId: envelope.runId })
  }
  if (!envelope) throw new Error("The answer is not understood")
  if (!envelope.ok) throw new Error(envelope.error.message)
  const got = JSON.stringify(envelope.output[0])
  if (got !== wanted) throw new Error(`${pipeline} gave ${got ?? "nothing"}, not ${wanted}`)
  return `${pipeline} gives what it should`
}
