// llm.invoke and llm_task.invoke: one answer of a model, typed when a schema is given. The model is that of the house, or stands behind an adapter.
import { createHash } from "node:crypto"
import { PincerError } from "../../base/errors.ts"
import { canonicalJson } from "../../base/json.ts"
import { compileSchema } from "../../base/json-schema.ts"
import type { Command, CommandContext, StageArgs, StageInput, StageResult } from "../command.ts"
import { collected, isRecord, isSet, textArg } from "./items.ts"
import { jsonArg, numberArg } from "./json-args.ts"
import { remember, remembered } from "./llm-cache.ts"
import { bearer, type Endpoint, gatewayEndpoint, posted, urlOf } from "./tool-endpoint.ts"

const PROVIDERS = ["openclaw", "pi", "http", "pincer"] as const
type Provider = (typeof PROVIDERS)[number]

interface Ask {
  command: string
  provider: Provider
  /** As an adapter is asked; what is undefined is left out. */
  body: {
    prompt: string
    model?: string
    artifacts: unknown[]
    artifactHashes: string[]
    metadata?: Record<string, unknown>
    outputSchema?: Record<string, unknown>
    schemaVersion: string
    maxOutputTokens?: number
    temperature?: number
  }
  retries: number
}

/** Names of settings in the environment, the older spelling second. */
function setting({ env }: CommandContext, name: string): string | undefined {
  return [env[`LOBSTER_LLM_${name}`], env[`LLM_TASK_${name}`]].find((value) => value !== undefined && value !== "")
}

function llm(name: string, usual: Provider | undefined): Command {
  return {
    name,
    description: "Asks a model about the items",
    args: {
      prompt: { type: "string", description: "What is asked" },
      provider: { type: "string", description: "Who answers", enum: PROVIDERS },
      model: { type: "string", description: "The model" },
      token: { type: "string", description: "For the adapter" },
      "artifacts-json": { type: "json", description: "More material than the items: a list" },
      "metadata-json": { type: "json", description: "Handed on to the adapter: an object" },
      "output-schema": { type: "json", description: "JSON Schema of the answer" },
      "schema-version": { type: "string", description: "Of that schema", default: "v1" },
      "max-validation-retries": { type: "number", description: "Tries after an answer that does not fit", default: 1 },
      temperature: { type: "number", description: "Of the model" },
      "max-output-tokens": { type: "number", description: "Length of the answer" },
      "state-key": { type: "string", description: "Keeps the last answer under a key" },
      refresh: { type: "boolean", description: "Asks although the answer is known" },
      "disable-cache": { type: "boolean", description: "Neither looks for earlier answers nor keeps this one" },
    },
    positional: { description: "What is asked, word by word", many: true },
    examples: [{ text: `${name} --prompt 'Sum this up'`, description: "One answer about all items" }],
    sideEffects: ["calls_llm"],
    effect: "once",
    run: (input, context) => ask(name, usual, input, context),
  }
}

async function ask(
  command: string,
  usual: Provider | undefined,
  { args, items }: StageInput,
  context: CommandContext,
): Promise<StageResult> {
  const wanted = askOf(command, usual, args, await collected(items), context)
  const { body, provider } = wanted
  const key = sha256(
    canonicalJson({
      ...{ version: 2, provider, prompt: body.prompt, model: body.model ?? null, schemaVersion: body.schemaVersion },
      ...{ hashes: body.artifactHashes, schema: body.outputSchema ?? null },
      ...{ temperature: body.temperature ?? null, maxOutputTokens: body.maxOutputTokens ?? null },
    }),
  )
  const cache = !isSet(args, "disable-cache")
  const refresh = isSet(args, "refresh") || /^(1|true|yes)$/i.test(setting(context, "FORCE_REFRESH") ?? "")
  const known = refresh ? undefined : await remembered(key, args, context, cache)
  if (known) return { items: [{ ...known, kind: command }] }
  const answer = provider === "pincer" ? await fromHouse(wanted, context) : await fromAdapter(wanted, args, context)
  const item = {
    kind: command,
    runId: null,
    prompt: null,
    ...{ schemaVersion: body.schemaVersion, status: "completed", cacheKey: key, artifactHashes: body.artifactHashes },
    ...{ output: { format: "text", text: null, data: null }, usage: null },
    ...{ metadata: null, warnings: null, diagnostics: null },
    ...answer,
    createdAt: new Date(context.clock.now()).toISOString(),
    // What Lobster has always called the one behind llm_task.invoke.
    source: command === "llm_task.invoke" && provider === "openclaw" ? "clawd" : provider,
    cached: false,
    attemptCount: answer.attemptCount,
  }
  await remember(key, item, args, context, cache)
  return { items: [item] }
}

function askOf(
  command: string,
  usual: Provider | undefined,
  args: StageArgs,
  items: readonly unknown[],
  context: CommandContext,
): Ask {
  const prompt = textArg(args, "prompt") ?? args._.join(" ")
  if (prompt.trim() === "") throw new PincerError("INVALID_PARAMS", `${command} needs --prompt or words`)
  const more = jsonArg(args, "artifacts-json", command) ?? []
  if (!Array.isArray(more)) throw new PincerError("INVALID_PARAMS", `${command} --artifacts-json must be a list`)
  const artifacts = [...items, ...more].map(artifactOf)
  const outputSchema = objectArg(args, "output-schema", command)
  const retries =
    numberArg(args, "max-validation-retries", command) ?? Number(setting(context, "VALIDATION_RETRIES") ?? 1)
  return {
    command,
    provider: providerOf(command, usual, args, context),
    body: {
      prompt,
      model: textArg(args, "model") ?? setting(context, "MODEL"),
      artifacts,
      artifactHashes: artifacts.map((one) => sha256(canonicalJson(one))),
      metadata: objectArg(args, "metadata-json", command),
      outputSchema,
      schemaVersion: textArg(args, "schema-version") ?? setting(context, "SCHEMA_VERSION") ?? "v1",
      maxOutputTokens: numberArg(args, "max-output-tokens", command),
      temperature: numberArg(args, "temperature", command),
    },
    retries: outputSchema && Number.isFinite(retries) ? Math.min(10, Math.max(0, Math.floor(retries))) : 0,
  }
}

/** Lobster's order; the house itself where Lobster would know of nobody. */
function providerOf(command: string, usual: Provider | undefined, args: StageArgs, { env }: CommandContext): Provider {
  const named = textArg(args, "provider") ?? env["LOBSTER_LLM_PROVIDER"]
  if (named !== undefined && named !== "") {
    const found = PROVIDERS.find((one) => one === named.toLowerCase())
    if (found) return found
    throw new PincerError("INVALID_PARAMS", `${command}: unknown provider "${named}": use ${PROVIDERS.join(", ")}`)
  }
  const hasGateway = Boolean(env["OPENCLAW_URL"] || env["CLAWD_URL"])
  if (usual === "openclaw" && hasGateway) return usual
  if (env["LOBSTER_PI_LLM_ADAPTER_URL"]) return "pi"
  if (hasGateway) return "openclaw"
  return env["LOBSTER_LLM_ADAPTER_URL"] ? "http" : "pincer"
}

function objectArg(args: StageArgs, name: string, command: string): Record<string, unknown> | undefined {
  const value = jsonArg(args, name, command)
  if (value === undefined || isRecord(value)) return value
  throw new PincerError("INVALID_PARAMS", `${command} --${name} must be an object`)
}

function artifactOf(item: unknown): unknown {
  if (typeof item === "string" || typeof item === "number" || typeof item === "boolean")
    return { kind: "text", text: String(item) }
  return isRecord(item) ? item : { kind: "json", data: item }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex")
}

async function fromHouse({ body, retries }: Ask, context: CommandContext) {
  const { artifacts, maxOutputTokens, model, outputSchema, prompt, temperature } = body
  const answer = await context.model({
    ...{ prompt, artifacts, model, temperature, maxOutputTokens },
    schema: outputSchema,
    maxRetries: retries,
  })
  const output = { format: outputSchema ? "json" : "text", text: answer.text, data: answer.data ?? null }
  return { model: answer.model, output, usage: answer.usage ?? null, attemptCount: answer.attempts }
}

async function fromAdapter(wanted: Ask, args: StageArgs, context: CommandContext) {
  const { body, command, provider, retries } = wanted
  const endpoint = endpointOf(wanted, args, context)
  const check = body.outputSchema && compileSchema(body.outputSchema)
  let validationErrors: string[] = []
  for (let attempt = 1; ; attempt++) {
    context.signal.throwIfAborted()
    const retry = attempt === 1 ? {} : { retryContext: { attempt, validationErrors } }
    const asked = { ...body, ...retry }
    const sent = provider === "openclaw" ? { tool: "llm-task", action: "invoke", args: asked } : asked
    const answer = answerOf(await posted(endpoint, sent, context, command), command)
    await chargeFor(answer, context)
    const problem = check?.(answer.output.data)
    if (problem === undefined) return { ...answer, attemptCount: attempt }
    if (attempt > retries) throw new Error(`${command} output failed schema validation: ${problem}`)
    validationErrors = [problem]
  }
}

function endpointOf({ command, provider }: Ask, args: StageArgs, context: CommandContext): Endpoint {
  const { env } = context
  if (provider === "openclaw") {
    const found = gatewayEndpoint(args, context, command)
    if (found) return found
    throw new PincerError("INVALID_PARAMS", `${command} needs OPENCLAW_URL for the provider openclaw`)
  }
  const prefix = provider === "pi" ? "LOBSTER_PI_LLM_ADAPTER" : "LOBSTER_LLM_ADAPTER"
  const text = env[`${prefix}_URL`]
  if (!text) throw new PincerError("INVALID_PARAMS", `${command} needs ${prefix}_URL for the provider ${provider}`)
  const url = urlOf(text, command)
  if (url.pathname === "/") url.pathname = "/invoke"
  return { url: url.href, headers: bearer(textArg(args, "token") ?? env[`${prefix}_TOKEN`]) }
}

function answerOf(value: unknown, command: string) {
  const output = isRecord(value) ? value["output"] : undefined
  if (!isRecord(value) || !isRecord(output)) throw new Error(`${command}: the answer of the adapter holds no output`)
  const { diagnostics, metadata, model, prompt, runId, status, usage, warnings } = value
  const { data = null, format, text = null } = output
  return {
    runId: runId ?? null,
    prompt: prompt ?? null,
    model: model ?? null,
    status: status ?? "completed",
    output: { format: format ?? (data === null ? "text" : "json"), text, data },
    usage: isRecord(usage) ? usage : null,
    ...{ metadata: metadata ?? null, warnings: warnings ?? null, diagnostics: diagnostics ?? null },
  }
}

async function chargeFor({ model, usage }: ReturnType<typeof answerOf>, context: CommandContext): Promise<void> {
  if (!usage) return
  const count = (...names: string[]) => {
    const found = names.map((name) => usage[name]).find((value) => typeof value === "number" && value > 0)
    return typeof found === "number" ? found : 0
  }
  const inputTokens = count("inputTokens", "input_tokens", "prompt_tokens")
  const outputTokens = count("outputTokens", "output_tokens", "completion_tokens")
  if (inputTokens + outputTokens > 0)
    await context.charge({ model: typeof model === "string" ? model : "", inputTokens, outputTokens })
}

export const llmInvoke = llm("llm.invoke", undefined)
export const llmTaskInvoke = llm("llm_task.invoke", "openclaw")
