// POST /v1/chat/completions: an agent's turn, or a straight line to a model service. The turn is canceled when its caller goes.
import type { ServerResponse } from "node:http"
import { uuid } from "../../base/id.ts"
import type { Part } from "../../protocol/message.ts"
import type { SessionName } from "../../protocol/session.ts"
import type { TurnRequest } from "../../protocol/turn.ts"
import { checkPermissions } from "../inbound.ts"
import { shownError } from "../shown.ts"
import { type Asked, decodeChat } from "./chat-request.ts"
import { ChatAnswer, type ChatHead, ChatStream, headerText } from "./chat-writer.ts"
import { nameResults, splitInput } from "./client-conversation.ts"
import type { Exchange } from "./exchange.ts"
import { rawChat } from "./raw.ts"
import { type Choice, chooseModel, doorSession, headerPermissions, headerSession } from "./select.ts"
import { SseWriter } from "./sse.ts"
import { abandon, runTurn } from "./turn-view.ts"

export async function chatCompletions(exchange: Exchange, body: Record<string, unknown>): Promise<void> {
  const { request, parts } = exchange
  const model = typeof body["model"] === "string" ? body["model"] : undefined
  const choice = chooseModel(model, request, parts)
  if (choice.type === "raw") {
    await rawChat(exchange, choice, body)
    return
  }
  const asked = decodeChat(body)
  const { history, input } = splitInput(asked.conversation.messages, "messages")
  const session = headerSession(choice, request) ?? doorSession("openai", choice.agentId, asked.user, parts.clock.now())
  const named = await nameResults(input, session.key, parts.store)
  const turn = doorTurn(exchange, choice, session, asked, named)
  if (history.length > 0) turn.history = history
  const head: ChatHead = {
    id: `chatcmpl-${turn.turnId.replaceAll("-", "")}`,
    created: Math.floor(parts.clock.now() / 1000),
    model: asked.model ?? "pincer",
    includeUsage: asked.includeUsage,
  }
  await (asked.stream ? streamed(exchange, turn, head) : whole(exchange, turn, head))
}

/** The turn that a caller of either endpoint asks for. */
export function doorTurn(
  { parts, request, scopes, subject }: Exchange,
  choice: Extract<Choice, { type: "agent" }>,
  session: SessionName,
  asked: Asked,
  input: Part[],
): TurnRequest {
  const { systemPrompt } = asked.conversation
  const origin = { door: "openai", clientId: subject } as const
  const permissions = headerPermissions(request)
  checkPermissions(permissions, session.agentId, origin, scopes, parts)
  return {
    turnId: uuid(parts.clock.now()),
    sessionKey: session.key,
    agentId: session.agentId,
    input,
    ...(choice.model === undefined ? {} : { model: choice.model }),
    ...(systemPrompt === undefined ? {} : { systemPrompt }),
    sampling: asked.sampling,
    ...(asked.tools.length === 0 ? {} : { clientTools: asked.tools }),
    // Nobody would hear a turn that goes on after a restart: its caller's connection is gone.
    recovery: "mark",
    ...(permissions ? { permissions } : {}),
    origin,
  }
}

/** Headers that tell which turn this was, and in which session. */
export function turnHeaders(turn: TurnRequest): Record<string, string> {
  const key = headerText(turn.sessionKey)
  return {
    "x-request-id": turn.turnId,
    "x-pincer-turn-id": turn.turnId,
    ...(key === turn.sessionKey ? { "x-pincer-session-key": key } : {}),
  }
}

/** Calls `gone` when the peer leaves before the answer is out. */
export function onGone(response: ServerResponse, gone: () => void): void {
  response.once("close", () => {
    if (!response.writableFinished) gone()
  })
}

async function streamed({ response, parts, keepAlive }: Exchange, turn: TurnRequest, head: ChatHead): Promise<void> {
  const writer = new SseWriter({ response, keepAlive, log: parts.log, onGone: () => abandon(parts, turn.turnId) })
  Object.assign(writer.headers, turnHeaders(turn))
  try {
    await runTurn(parts, turn, new ChatStream(writer, head))
  } catch (error) {
    writer.refuse(shownError(error, parts.redactor))
  }
}

async function whole({ response, parts }: Exchange, turn: TurnRequest, head: ChatHead): Promise<void> {
  onGone(response, () => abandon(parts, turn.turnId))
  await runTurn(parts, turn, new ChatAnswer(response, head, turnHeaders(turn), parts.log))
}
