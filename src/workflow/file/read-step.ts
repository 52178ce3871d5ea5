// One step of a workflow file: what it runs, its gate, and how it runs.

import type { StepKind } from "../../protocol/workflow.ts"
import type { Gate, RetryDefinition, StepBody, StepDefinition } from "../definition.ts"
import { readEnv } from "./env.ts"
import type { Field, Members } from "./nodes.ts"

const KINDS = [
  "run",
  "command",
  "argv",
  "pipeline",
  "workflow",
  "parallel",
  "for_each",
  "tool",
  "agent",
  "http",
] as const
const MAX_DEPTH = 16
const DEFAULT_CONCURRENCY = 8

export function readSteps(field: Field, what: string, strict: boolean, depth = 0): StepDefinition[] {
  if (depth > MAX_DEPTH) {
    field.error("depth", `${what} nests deeper than ${MAX_DEPTH} levels`)
    return []
  }
  return field.elements(what).flatMap((one) => readStep(one, strict, depth) ?? [])
}

function readStep(field: Field, strict: boolean, depth: number): StepDefinition | undefined {
  if (!field.isMap) {
    field.error("type", "A step must be an object")
    return undefined
  }
  const members = field.members("A step")
  const id = idOf(members)
  const what = `Step ${id}`
  const body = readBody(members, what, strict, depth)
  const gate = readGate(members, what, id)
  if (body.type === "none" && !gate)
    field.error("no-body", `${what} does nothing: it needs one of ${KINDS.join(", ")}, approval or input`)
  const step: StepDefinition = {
    id,
    place: field.place,
    pointer: field.pointer,
    kind: kindOf(body, gate),
    body,
    ...(gate ? { gate } : {}),
    ...readManner(members, what, strict),
  }
  members.get("description", "name")
  members.rest(what, strict)
  return step
}

function idOf(members: Members): string {
  const field = members.get("id")
  const id = field?.text("id")
  if (!field || id === undefined || id === "") {
    members.owner.error("missing", "A step needs an id")
    return id ?? "?"
  }
  if (!/^[A-Za-z0-9_-]+$/.test(id))
    field.warn("id", `No reference can name the step "${id}": use letters, digits, "_" and "-"`)
  return id
}

function kindOf(body: StepBody, gate: Gate | undefined): StepKind {
  if (body.type !== "none") return body.type
  return gate?.type === "input" ? "input" : "approval"
}

function readBody(members: Members, what: string, strict: boolean, depth: number): StepBody {
  const given = KINDS.filter((kind) => members.has(kind) && !(kind === "command" && members.has("run")))
  if (given.length > 1)
    members
      .get(given[1]!)
      ?.error("two-bodies", `${what} has both ${given[0]} and ${given[1]}: it can do one thing only`)
  const kind = given[0]
  const field = kind === undefined ? undefined : members.get(kind)
  const rest = () => {
    for (const name of ["steps", "item_var", "index_var", "batch_size", "pause_ms", "workflow_args", "tool_args"])
      members.get(name)
  }
  if (!field) {
    if (members.has("steps")) members.get("steps")?.error("no-body", `${what} has steps but no for_each`)
    return { type: "none" }
  }
  switch (kind) {
    case "run":
    case "command":
      rest()
      return {
        type: "shell",
        line: field.text(`${what} ${kind}`) ?? "",
        quote: members.get("quote")?.flag(`${what} quote`) ?? false,
      }
    case "argv":
      return { type: "argv", argv: readArgv(field, what) }
    case "pipeline":
      return { type: "pipeline", text: field.text(`${what} pipeline`) ?? "" }
    case "workflow":
      return {
        type: "workflow",
        path: field.text(`${what} workflow`) ?? "",
        args: members.get("workflow_args")?.record(`${what} workflow_args`) ?? {},
      }
    case "for_each":
      return readLoop(field, members, what, strict, depth)
    case "parallel":
      return readParallel(field, what, strict, depth)
    case "tool":
      return {
        type: "tool",
        name: field.text(`${what} tool`) ?? "",
        args: members.get("tool_args")?.record(`${what} tool_args`) ?? {},
      }
    case "agent":
      return readAgent(field, what, strict)
    case "http":
      return readHttp(field, what, strict)
    default:
      return { type: "none" }
  }
}

function readArgv(field: Field, what: string): string[] {
  const words = field.elements(`${what} argv`).map((one) => {
    const { value } = one
    return typeof value === "number" || typeof value === "boolean" ? String(value) : (one.text(`${what} argv`) ?? "")
  })
  if (words.length === 0 && field.isList) field.error("missing", `${what} argv needs a program`)
  return words
}

function readLoop(field: Field, members: Members, what: string, strict: boolean, depth: number): StepBody {
  const steps = members.get("steps")
  if (!steps) field.error("missing", `${what} for_each needs steps`)
  const own = steps ? readSteps(steps, `${what} steps`, strict, depth + 1) : []
  if (steps?.isList && steps.elements("steps").length === 0)
    steps.error("no-steps", `${what} for_each needs at least one step`)
  sameIds(own, steps)
  return {
    type: "for_each",
    source: field.text(`${what} for_each`) ?? "",
    steps: own,
    itemVar: members.get("item_var")?.text(`${what} item_var`) ?? "item",
    indexVar: members.get("index_var")?.text(`${what} index_var`) ?? "index",
    batchSize: members.get("batch_size")?.integer(`${what} batch_size`, 1) ?? 1,
    pauseMs: members.get("pause_ms")?.integer(`${what} pause_ms`, 0) ?? 0,
    concurrency: members.get("concurrency")?.integer(`${what} concurrency`, 1, 256) ?? 1,
  }
}

function sameIds(steps: readonly StepDefinition[], field: Field | undefined): void {
  const seen = new Set<string>()
  for (const { id } of steps) {
    if (seen.has(id)) field?.error("duplicate-id", `There are two steps "${id}" in this loop`)
    seen.add(id)
  }
}

function readParallel(field: Field, what: string, strict: boolean, depth: number): StepBody {
  const members = field.members(`${what} parallel`)
  const branches = members.get("branches")
  const own = branches ? readSteps(branches, `${what} branches`, strict, depth + 1) : []
  if (field.isMap && (branches === undefined || (branches.isList && branches.elements("branches").length === 0)))
    field.error("missing", `${what} parallel needs at least one branch`)
  const timeoutMs = members.get("timeout_ms")?.integer(`${what} parallel.timeout_ms`, 1)
  const concurrency = members.get("concurrency")?.integer(`${what} parallel.concurrency`, 1, 256)
  const wait = members.get("wait")?.oneOf(`${what} parallel.wait`, ["all", "any"]) ?? "all"
  members.rest(`${what} parallel`, strict)
  return {
    type: "parallel",
    branches: own,
    wait,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    concurrency: concurrency ?? Math.max(DEFAULT_CONCURRENCY, own.length > 64 ? 64 : own.length),
  }
}

function readAgent(field: Field, what: string, strict: boolean): StepBody {
  if (!field.isMap) return { type: "agent", message: field.text(`${what} agent`) ?? "", maxRetries: 1 }
  const members = field.members(`${what} agent`)
  const text = (name: string) => members.get(name)?.text(`${what} agent.${name}`)
  const message = text("message") ?? text("prompt")
  if (message === undefined) field.error("missing", `${what} agent needs a message`)
  const optional = {
    agent: text("agent"),
    sessionKey: text("session"),
    model: text("model"),
    thinking: text("thinking"),
    schema: members.get("schema")?.record(`${what} agent.schema`),
  }
  const maxRetries = members.get("max_retries")?.integer(`${what} agent.max_retries`, 0, 10) ?? 1
  members.rest(`${what} agent`, strict)
  const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined))
  return { type: "agent", message: message ?? "", maxRetries, ...given }
}

function readHttp(field: Field, what: string, strict: boolean): StepBody {
  if (!field.isMap) return { type: "http", url: field.text(`${what} http`) ?? "", method: "GET", headers: {} }
  const members = field.members(`${what} http`)
  const url = members.get("url")
  if (!url) field.error("missing", `${what} http needs a url`)
  const body = members.get("body")
  const step: StepBody = {
    type: "http",
    url: url?.text(`${what} http.url`) ?? "",
    method: (members.get("method")?.text(`${what} http.method`) ?? (body ? "POST" : "GET")).toUpperCase(),
    headers: readEnv(members.get("headers")),
    ...(body ? { body: body.value } : {}),
  }
  members.rest(`${what} http`, strict)
  return step
}

function readGate(members: Members, what: string, id: string): Gate | undefined {
  const input = members.get("input")
  const approval = members.get("approval")
  const timeoutMs = members.get("gate_timeout_ms")?.integer(`${what} gate_timeout_ms`, 1)
  const limit = timeoutMs === undefined ? {} : { timeoutMs }
  if (input && approval) input.error("two-gates", `${what} has both an approval and an input`)
  if (input) return readInput(input, what, limit)
  if (!approval) return undefined
  const { value } = approval
  const fallback = `Approve ${id}?`
  if (value === false) return undefined
  if (value === true) return { type: "approval", prompt: fallback, ...limit }
  if (typeof value === "string") return { type: "approval", prompt: value === "required" ? fallback : value, ...limit }
  return { type: "approval", ...limit, ...readApproval(approval, what, fallback) }
}

function readInput(field: Field, what: string, limit: { timeoutMs?: number }): Gate | undefined {
  const members = field.members(`${what} input`)
  const prompt = members.get("prompt")?.text(`${what} input.prompt`)
  const schema = members.get("responseSchema", "response_schema")
  const defaults = members.get("defaults")
  members.rest(`${what} input`, false)
  if (!field.isMap) return undefined
  if (prompt === undefined) field.error("missing", `${what} input needs a prompt`)
  if (!schema) field.error("missing", `${what} input needs a responseSchema`)
  const responseSchema = schema?.record(`${what} input.responseSchema`)
  return {
    type: "input",
    prompt: prompt ?? "",
    responseSchema: responseSchema ?? {},
    ...(defaults ? { defaults: defaults.value } : {}),
    ...limit,
  }
}

function readApproval(field: Field, what: string, fallback: string): Omit<Extract<Gate, { type: "approval" }>, "type"> {
  const members = field.members(`${what} approval`)
  const text = (...names: string[]) => members.get(...names)?.text(`${what} approval.${names[0]}`)
  const items = members.get("items")
  const list = items ? items.elements(`${what} approval.items`).map((one) => one.value) : undefined
  const preview = text("preview")
  const initiatedBy = text("initiated_by", "initiatedBy")
  const requiredApprover = text("required_approver", "requiredApprover")
  const different = members.get("require_different_approver", "requireDifferentApprover")
  const requireDifferentApprover = different?.flag(`${what} approval.require_different_approver`)
  const prompt = text("prompt") ?? fallback
  members.rest(`${what} approval`, false)
  return {
    prompt,
    ...(list ? { items: list } : {}),
    ...(preview === undefined ? {} : { preview }),
    ...(initiatedBy === undefined ? {} : { initiatedBy }),
    ...(requiredApprover === undefined ? {} : { requiredApprover }),
    ...(requireDifferentApprover === undefined ? {} : { requireDifferentApprover }),
  }
}

type Manner = Pick<
  StepDefinition,
  | "env"
  | "onError"
  | "stdin"
  | "cwd"
  | "when"
  | "needs"
  | "timeoutMs"
  | "retry"
  | "effect"
  | "idempotencyKey"
  | "output"
>

/** How it runs: input, place, condition, order, limits, repetition. */
function readManner(members: Members, what: string, strict: boolean): Manner {
  const manner: Manner = {
    env: readEnv(members.get("env")),
    onError: members.get("on_error")?.oneOf(`${what} on_error`, ["stop", "continue", "skip_rest"]) ?? "stop",
  }
  const stdin = members.get("stdin")
  if (stdin) manner.stdin = stdin.value
  const cwd = members.get("cwd")?.text(`${what} cwd`)
  if (cwd !== undefined) manner.cwd = cwd
  const when = readWhen(members, what)
  if (when !== undefined) manner.when = when
  const needs = members.get("needs")
  if (needs)
    manner.needs = needs.isList
      ? needs.elements("needs").flatMap((one) => one.text(`${what} needs`) ?? [])
      : [needs.text(`${what} needs`) ?? ""]
  const timeoutMs = members.get("timeout_ms")?.integer(`${what} timeout_ms`, 1)
  if (timeoutMs !== undefined) manner.timeoutMs = timeoutMs
  const retry = readRetry(members.get("retry"), what, strict)
  if (retry) manner.retry = retry
  const effect = members.get("effect")?.oneOf(`${what} effect`, ["read", "write"])
  if (effect) manner.effect = effect
  const key = members.get("idempotency_key")?.text(`${what} idempotency_key`)
  if (key !== undefined) manner.idempotencyKey = key
  const output = readOutput(members, what, strict)
  if (output) manner.output = output
  return manner
}

function readWhen(members: Members, what: string): boolean | string | undefined {
  const field = members.get("when", "condition")
  if (!field) return undefined
  const { value } = field
  if (typeof value === "boolean" || typeof value === "string") return value
  field.error("type", `${what} when must be true, false or a condition`)
  return undefined
}

function readRetry(field: Field | undefined, what: string, strict: boolean): RetryDefinition | undefined {
  if (!field) return undefined
  const members = field.members(`${what} retry`)
  const retry: RetryDefinition = {
    max: members.get("max")?.integer(`${what} retry.max`, 1, 1_000) ?? 1,
    backoff: members.get("backoff")?.oneOf(`${what} retry.backoff`, ["fixed", "exponential"]) ?? "fixed",
    delayMs: members.get("delay_ms")?.integer(`${what} retry.delay_ms`, 0) ?? 1_000,
    maxDelayMs: members.get("max_delay_ms")?.integer(`${what} retry.max_delay_ms`, 0) ?? 30_000,
    jitter: members.get("jitter")?.flag(`${what} retry.jitter`) ?? false,
  }
  members.rest(`${what} retry`, strict)
  return retry
}

function readOutput(members: Members, what: string, strict: boolean): StepDefinition["output"] {
  const limit = members.get("max_output")?.integer(`${what} max_output`, 1)
  const field = members.get("output")
  if (!field) return limit === undefined ? undefined : { maxBytes: limit }
  const bytes = limit === undefined ? {} : { maxBytes: limit }
  if (typeof field.value === "string") {
    const mode = field.oneOf(`${what} output`, ["text", "json"])
    return { ...(mode ? { mode } : {}), ...bytes }
  }
  const own = field.members(`${what} output`)
  const mode = own.get("mode")?.oneOf(`${what} output.mode`, ["text", "json"])
  const schema = own.get("schema")?.record(`${what} output.schema`)
  own.rest(`${what} output`, strict)
  return { ...(mode ? { mode } : {}), ...(schema ? { schema } : {}), ...bytes }
}
