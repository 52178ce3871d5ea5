// POST /v1/responses. A response belongs to a session: previous_response_id goes on in it when that response is its latest, and
// otherwise starts another session with the history up to there, so that a branch never disturbs the trunk.

import { PincerError } from "../../base/errors.ts"
import type { Message } from "../../protocol/message.ts"
import type { SessionName } from "../../protocol/session.ts"
import type { TurnRequest } from "../../protocol/turn.ts"
import type { ResponseRow } from "../../store/store.ts"
import type { Parts } from "../parts.ts"
import { doorTurn, onGone, turnHeaders } from "./chat.ts"
import { headerText } from "./chat-writer.ts"
import { nameResults, splitInput } from "./client-conversation.ts"
import type { Exchange } from "./exchange.ts"
import { badField, sendJson, sendRefusal } from "./refusal.ts"
import { decodeResponses, type ResponsesAsked } from "./responses-request.ts"
import { ResponseAnswer, type ResponseHead, ResponseStream } from "./responses-writer.ts"
import { type Choice, chooseModel, doorSession, headerSession } from "./select.ts"
import { SseWriter } from "./sse.ts"
import { abandon, runTurn, type TurnEnd } from "./turn-view.ts"

type AgentChoice = Extract<Choice, { type: "agent" }>

/** Events that are read at once when a branch is made. */
const PAGE = 1_000

export async function createResponse(exchange: Exchange, raw: Record<string, unknown>): Promise<void> {
  const { request, parts } = exchange
  const asked = decodeResponses(raw)
  const choice = chooseModel(asked.model, request, parts)
  if (choice.type === "raw") throw badField("model", "raw models are answered at /v1/chat/completions only")
  const { history, input } = splitInput(asked.conversation.messages, "input")
  const place = await placeOf(exchange, choice, asked)
  const named = await nameResults(input, place.trunk ?? place.session.key, parts.store)
  // From here to submit() nothing waits: of two that go on from one response, the second finds the first in the lane.
  const session =
    place.latest && parts.lanes.active(place.session.key).length > 0 ? branch(parts, place) : place.session
  const turn = doorTurn(exchange, choice, session, asked, named)
  const past = session === place.session ? place.history : await historyUpTo(parts, place.latest!)
  if (past.length + history.length > 0) turn.history = [...past, ...history]
  const { max_tool_calls: maxCalls } = asked.body
  // One model call more than rounds of tools: the last one answers.
  if (typeof maxCalls === "number") turn.limits = { maxModelCalls: maxCalls + 1 }
  const head = headOf(exchange, turn, asked)
  await (asked.stream ? streamed(exchange, turn, head, asked) : whole(exchange, turn, head, asked))
}

interface Place {
  session: SessionName
  /** What a new session begins with. */
  history: Message[]
  /** Session of the response that this one goes on from. */
  trunk?: string
  /** Set when the session goes on from its latest response. */
  latest?: ResponseRow
}

async function placeOf(exchange: Exchange, choice: AgentChoice, asked: ResponsesAsked): Promise<Place> {
  const { request, parts } = exchange
  const header = headerSession(choice, request)
  const { previous_response_id: previous } = asked.body
  if (previous === undefined || previous === null) {
    const session = header ?? doorSession("openresponses", choice.agentId, asked.user, parts.clock.now())
    return { session, history: [] }
  }
  const row = await parts.store.responses.get(previous)
  if (!row) throw unknownResponse(previous)
  const current = await parts.store.sessions.get(row.sessionKey)
  const turn = await parts.store.turns.get(row.turnId)
  if (!current || turn?.sessionId !== current.id) throw unknownResponse(previous)
  if (header && header.key !== row.sessionKey)
    throw badField("previous_response_id", `"${previous}" belongs to session "${row.sessionKey}", not "${header.key}"`)
  const agentId = choice.named ? choice.agentId : current.agentId
  if (current.lastSeq === row.seq && agentId === current.agentId)
    return { session: nameOf(row.sessionKey, agentId), history: [], trunk: row.sessionKey, latest: row }
  const session = doorSession("openresponses", agentId, undefined, parts.clock.now())
  return { session, history: await historyUpTo(parts, row), trunk: row.sessionKey }
}

function nameOf(key: string, agentId: string): SessionName {
  return { key, agentId, rest: key.slice(`agent:${agentId}:`.length) }
}

function branch(parts: Parts, place: Place): SessionName {
  return doorSession("openresponses", place.session.agentId, undefined, parts.clock.now())
}

export function unknownResponse(id: string): PincerError {
  return new PincerError(
    "NOT_FOUND",
    `Response "${id}" is not stored: it was deleted, never stored, or its session was reset`,
    {
      details: { code: "response_not_found", param: "previous_response_id" },
    },
  )
}

/** Messages that counted when the response was made. */
async function historyUpTo(parts: Parts, row: ResponseRow): Promise<Message[]> {
  const dropped = new Set<string>()
  const messages: Message[] = []
  let afterSeq = 0
  while (afterSeq < row.seq) {
    const events = await parts.store.transcript.events(row.sessionKey, { afterSeq, limit: PAGE })
    if (events.length === 0) break
    for (const { event, seq } of events) {
      if (seq > row.seq) continue
      if (event.type === "message.added") messages.push(event.message)
      else if (event.type === "messages.dropped") for (const id of event.messageIds) dropped.add(id)
      else if (event.type === "messages.restored") for (const id of event.messageIds) dropped.delete(id)
    }
    afterSeq = events.at(-1)!.seq
  }
  return messages.filter((one) => !dropped.has(one.id))
}

/** What was asked, as every response object repeats it. */
function headOf({ parts }: Exchange, turn: TurnRequest, { body, model }: ResponsesAsked): ResponseHead {
  const id = `resp_${turn.turnId.replaceAll("-", "")}`
  return {
    id,
    base: {
      id,
      object: "response",
      created_at: Math.floor(parts.clock.now() / 1000),
      status: "in_progress",
      background: false,
      error: null,
      incomplete_details: null,
      instructions: body.instructions ?? null,
      max_output_tokens: body.max_output_tokens ?? null,
      max_tool_calls: body.max_tool_calls ?? null,
      metadata: body.metadata ?? {},
      model: model ?? "pincer",
      output: [],
      parallel_tool_calls: body.parallel_tool_calls ?? true,
      previous_response_id: body.previous_response_id ?? null,
      reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
      store: body.store ?? true,
      temperature: body.temperature ?? null,
      text: { format: body.text?.format ?? { type: "text" } },
      tool_choice: body.tool_choice ?? "auto",
      tools: body.tools ?? [],
      top_p: body.top_p ?? null,
      // What does not fit into a model's window is left out, oldest first; the session keeps it.
      truncation: "auto",
      usage: null,
      user: body.user ?? null,
    },
  }
}

async function keep(
  parts: Parts,
  turn: TurnRequest,
  asked: ResponsesAsked,
  body: Record<string, unknown>,
  end: TurnEnd,
) {
  if (asked.body.store === false || end.seq === 0) return
  const row: ResponseRow = {
    id: String(body["id"]),
    sessionKey: turn.sessionKey,
    turnId: turn.turnId,
    seq: end.seq,
    createdAt: parts.clock.now(),
    body,
  }
  await parts.store.responses.put(row)
}

async function streamed(
  exchange: Exchange,
  turn: TurnRequest,
  head: ResponseHead,
  asked: ResponsesAsked,
): Promise<void> {
  const { response, parts, keepAlive } = exchange
  const writer = new SseWriter({ response, keepAlive, log: parts.log, onGone: () => abandon(parts, turn.turnId) })
  Object.assign(writer.headers, turnHeaders(turn))
  const stream: ResponseStream = new ResponseStream(writer, head, async (body, end) => {
    // On disk before it is told: the client may go on from it at once.
    await keep(parts, turn, asked, body, end)
    stream.finish(body)
  })
  try {
    await runTurn(parts, turn, stream)
  } catch (error) {
    stream.fail(error)
  }
}

async function whole(exchange: Exchange, turn: TurnRequest, head: ResponseHead, asked: ResponsesAsked): Promise<void> {
  const { response, parts } = exchange
  onGone(response, () => abandon(parts, turn.turnId))
  const answer = new ResponseAnswer(
    head,
    async (body, end) => {
      await keep(parts, turn, asked, body, end)
      const { provider, model } = end.outcome
      const answered: Record<string, string> =
        model === undefined ? {} : { "x-pincer-model": headerText(`${provider}/${model}`) }
      sendJson(response, 200, body, { ...turnHeaders(turn), ...answered })
    },
    (error) => sendRefusal(response, error, parts.log),
  )
  await runTurn(parts, turn, answer)
}
