// Answers of a model that an MCP server wants while it works on a call: asked of a human first unless the owner allowed it for good,
// within the owner's limit, without tools, and written into the audit.
import { createHash } from "node:crypto"
import type { AgentProfile } from "../../agent/agent.ts"
import type { Rights } from "../../agent/rights.ts"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { excerpt } from "../../base/text.ts"
import type { McpServerSettings } from "../../config/mcp.ts"
import { type Message, type Part, textOf, type Usage } from "../../protocol/message.ts"
import type { Catalogue, ModelRef } from "../../providers/catalogue.ts"
import type { CallContext, McpPorts } from "../../tools/mcp/ports.ts"
import { type SamplingWish, wordsOf } from "../../tools/mcp/sampling.ts"

export interface SamplingParts {
  clock: Clock
  catalogue: Catalogue
  agents(): ReadonlyMap<string, AgentProfile>
  rights: Pick<Rights, "audit">
}

const MAX_SHOWN = 1_500
const STOPS: Readonly<Record<string, string>> = { max_tokens: "maxTokens", stop_sequence: "stopSequence" }

export function sampleFor(
  parts: SamplingParts,
  { sampling, samplingMaxTokens }: Pick<McpServerSettings, "sampling" | "samplingMaxTokens">,
): NonNullable<McpPorts["sample"]> {
  return async (wish, call, signal) => {
    const refs = refsFor(parts, call)
    const note = (outcome: "done" | "failed" | "refused", details: Record<string, number> = {}) =>
      parts.rights.audit(entryOf(parts, wish, call, outcome, details))
    if (sampling !== "allow" && !(await agreed(wish, call, refs[0]!, signal))) {
      await note("refused")
      throw new PincerError("PERMISSION_DENIED", "The user did not agree to ask the model")
    }
    try {
      const { messages, system, stop, temperature } = wish
      const maxOutputTokens = Math.min(wish.maxTokens ?? samplingMaxTokens, samplingMaxTokens)
      const request = {
        ...(system === undefined ? {} : { system }),
        messages: messages.map((one) => messageOf(one, parts.clock)),
        tools: [],
        sampling: {
          maxOutputTokens,
          ...(temperature === undefined ? {} : { temperature }),
          ...(stop === undefined ? {} : { stop }),
        },
      }
      const answer = await ask(parts.catalogue, refs, request, signal)
      const { inputTokens, outputTokens } = answer.usage
      await note("done", { inputTokens, outputTokens })
      return { text: answer.text, model: answer.ref.model, stopReason: STOPS[answer.stop] ?? "endTurn" }
    } catch (error) {
      await note("failed")
      throw error
    }
  }
}

function refsFor({ agents, catalogue }: SamplingParts, { turn }: CallContext): ModelRef[] {
  const profile = turn && agents().get(turn.agentId)
  return catalogue.fallbacks(catalogue.resolve(profile?.model), profile?.fallbacks ?? [])
}

async function agreed(wish: SamplingWish, call: CallContext, ref: ModelRef, signal: AbortSignal): Promise<boolean> {
  if (!call.ask) return false
  const message = `MCP server "${wish.server}" wants an answer of the model ${ref.provider}/${ref.model}:\n${excerpt(wordsOf(wish), MAX_SHOWN)}`
  const schema = {
    type: "object",
    properties: { agree: { type: "boolean", title: "Ask the model and give the server its answer", default: false } },
    required: ["agree"],
  }
  const answer = await call.ask({ type: "form", message, schema }, signal)
  return answer.type === "accepted" && answer.content["agree"] === true
}

function messageOf({ parts, role }: SamplingWish["messages"][number], clock: Clock): Message {
  const at = clock.now()
  return { id: uuid(at), role, content: parts.map((part): Part => part), at }
}

async function ask(
  catalogue: Catalogue,
  refs: ModelRef[],
  request: Parameters<Catalogue["stream"]>[1],
  signal: AbortSignal,
): Promise<{ text: string; usage: Usage; ref: ModelRef; stop: string }> {
  let ref = refs[0]!
  for await (const event of catalogue.stream(refs, request, signal)) {
    if (event.type === "attempt") ref = event.ref
    if (event.type === "failed") throw new PincerError("UNAVAILABLE", `The model failed: ${event.failure.message}`)
    if (event.type === "done") return { text: textOf(event.content), usage: event.usage, ref, stop: event.stop }
  }
  throw new PincerError("UNAVAILABLE", `The model ${ref.provider}/${ref.model} gave no answer`)
}

function entryOf(
  { clock }: SamplingParts,
  wish: SamplingWish,
  { turn }: CallContext,
  outcome: "done" | "failed" | "refused",
  details: Record<string, number>,
) {
  return {
    type: "effect" as const,
    at: clock.now(),
    who: `mcp ${wish.server}`,
    door: turn?.origin.door ?? "mcp",
    agentId: turn?.agentId ?? "",
    sessionKey: turn?.sessionKey ?? "",
    turnId: turn?.turnId ?? "",
    callId: "",
    tool: `mcp:${wish.server}:sampling/createMessage`,
    summary: excerpt(`${wish.server} asked the model: ${wordsOf(wish)}`, 300),
    argsDigest: createHash("sha256").update(wordsOf(wish)).digest("hex"),
    outcome,
    ...(Object.keys(details).length > 0 ? { details } : {}),
  }
}
