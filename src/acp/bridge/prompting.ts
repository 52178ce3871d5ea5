// session/prompt: from blocks to a turn, and from its end to the one answer.
import { hostname } from "node:os"
import { PincerError } from "../../base/errors.ts"
import type { TurnOutcome } from "../../protocol/turn.ts"
import { RpcFailure } from "../peer.ts"
import { partsOf, type SpokenPart } from "../translate/blocks.ts"
import { promptUsage, stopReasonOf } from "../translate/stop.ts"
import { commandIn, runCommand } from "./commands.ts"
import { OwnPrompt } from "./own-prompt.ts"
import { type Fields, fieldsOf, invalid, shown } from "./params.ts"
import type { Bound, Room } from "./room.ts"

const MAX_TEXT_BYTES = 2 * 1024 * 1024
const MAX_BYTES = 30 * 1024 * 1024
/** What a request is beside its content. */
const FRAME_BYTES = 64 * 1024

const THINKING = ["off", "minimal", "low", "medium", "high", "xhigh"]

export interface SaidPrompt {
  params: Fields
  parts: SpokenPart[]
}

/** Everything that chat.send is told but the run's id. Throws INVALID_PARAMS. */
export function saidOf(room: Room, session: Bound, params: Fields): SaidPrompt {
  const parts = partsOf(params["prompt"])
  if (parts.length === 0) throw invalid("prompt is empty: say something")
  checkSizes(parts, room.gateway.maxRequestBytes)
  const { systemPrompt, receipt } = provenance(room, session)
  const content = receipt === undefined ? parts : [...parts, { type: "text" as const, text: receipt }]
  return {
    parts,
    params: {
      sessionKey: session.key,
      content,
      cwd: session.place.cwd,
      ...(session.lends ? { lender: session.lender } : {}),
      ...(systemPrompt === undefined ? {} : { systemPrompt }),
      ...metaOf(fieldsOf(params["_meta"])),
    },
  }
}

function metaOf(meta: Fields): Fields {
  const thinking = meta["thinking"] ?? meta["thinkingLevel"]
  const { timeoutMs } = meta
  const wishes: Fields = {}
  if (thinking !== undefined && thinking !== "adaptive") {
    if (typeof thinking !== "string" || !THINKING.includes(thinking))
      throw invalid(`_meta.thinking cannot be ${shown(thinking)}: choose ${THINKING.join(", ")} or adaptive`)
    wishes["thinking"] = thinking
  }
  if (timeoutMs !== undefined) {
    if (typeof timeoutMs !== "number" || !Number.isInteger(timeoutMs) || timeoutMs < 0)
      throw invalid(`_meta.timeoutMs must be a whole number of milliseconds, not ${shown(timeoutMs)}`)
    wishes["timeoutMs"] = timeoutMs
  }
  return wishes
}

function checkSizes(parts: readonly SpokenPart[], maxRequestBytes: number | undefined): void {
  let text = 0
  let all = 0
  for (const part of parts) {
    const words = part.type === "text" ? part.text : part.type === "resource" ? (part.text ?? "") : ""
    const data = "data" in part ? (part.data?.length ?? 0) : 0
    text += Buffer.byteLength(words)
    all += Buffer.byteLength(words) + data
    if (text > MAX_TEXT_BYTES)
      throw new PincerError(
        "TOO_LARGE",
        `The prompt has more than ${MAX_TEXT_BYTES} bytes of text: send less, or a link`,
      )
  }
  const most = Math.min(MAX_BYTES, maxRequestBytes === undefined ? MAX_BYTES : maxRequestBytes - FRAME_BYTES)
  if (all > most)
    throw new PincerError("TOO_LARGE", `The prompt has ${all} bytes, its images counted; at most ${most} are taken`)
}

/** What the model is told of where the words come from; the receipt stands in the conversation itself. */
function provenance({ client, settings }: Room, session: Bound): { systemPrompt?: string; receipt?: string } {
  if (settings.provenance === "off") return {}
  const systemPrompt = `The user's message came over ACP from ${client.name} (ACP session ${session.id}).`
  if (settings.provenance === "meta") return { systemPrompt }
  const receipt = [
    "[Where this came from]",
    `bridge: pincer acp ${settings.version}`,
    `client: ${client.name}`,
    `host: ${hostname()}`,
    `cwd: ${session.place.cwd}`,
    `ACP session: ${session.id}`,
    `session: ${session.key}`,
  ].join("\n")
  return { systemPrompt, receipt }
}

/** Cancels what this client has running in the session. */
export async function stopOwn(session: Bound): Promise<void> {
  await Promise.all([...session.prompts.values()].map((prompt) => prompt.cancel()))
}

/** The answer of session/prompt in v1. Throws the turn's failure. */
export async function runPrompt(room: Room, session: Bound, params: Fields, signal: AbortSignal): Promise<Fields> {
  const { params: said, parts } = saidOf(room, session, params)
  const only = parts.length === 1 ? parts[0] : undefined
  const slash = only?.type === "text" ? commandIn(only.text, session) : undefined
  if (slash) {
    await runCommand(room, session, slash)
    return { stopReason: "end_turn" }
  }
  const earlier = stopOwn(session)
  const prompt = new OwnPrompt(room, session)
  session.prompts.set(prompt.turnId, prompt)
  const withdraw = () => void prompt.cancel()
  signal.addEventListener("abort", withdraw, { once: true })
  try {
    await earlier
    await room.makeEar(session)
    await session.listen()
    if (signal.aborted) await prompt.cancel()
    const end = await prompt.run(said)
    if (end.type === "failed") throw end.error
    return end.type === "canceled" ? { stopReason: "cancelled" } : answerOf(session, prompt.turnId, end.outcome)
  } finally {
    signal.removeEventListener("abort", withdraw)
    session.prompts.delete(prompt.turnId)
  }
}

function answerOf(session: Bound, turnId: string, outcome: TurnOutcome): Fields {
  const stopReason = stopReasonOf(outcome)
  if (stopReason instanceof RpcFailure) throw stopReason
  return {
    stopReason,
    ...(session.state.usage === "off" ? {} : { usage: promptUsage(outcome.usage) }),
    _meta: { runId: turnId, stop: outcome.stop },
  }
}
