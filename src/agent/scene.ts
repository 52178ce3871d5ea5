// From a tool call to a decision: find the tool, parse its arguments strictly, look at what it would touch, put the scene together and
// let policy decide. Nothing that the model says about its call counts, only what the call would do.
import { PincerError } from "../base/errors.ts"
import { decide } from "../policy/decide.ts"
import { type RateQuery, rateQueries } from "../policy/rates.ts"
import type { CallCounts, CallFacts, Scene } from "../policy/scene.ts"
import type { Decision } from "../protocol/decision.ts"
import type { Message, ToolCallPart } from "../protocol/message.ts"
import type { Elevation } from "../protocol/permission.ts"
import type { UserAnswer, UserQuestion } from "../protocol/question.ts"
import type { TurnRequest } from "../protocol/turn.ts"
import { errorResult, type Tool, type ToolResult, type Touch } from "../tools/tool.ts"
import { canReachHuman } from "./attendance.ts"
import { argsDigest } from "./fingerprint.ts"
import type { Lent } from "./lent.ts"
import type { Ports } from "./ports.ts"
import { type Wanting, whoOf } from "./rights.ts"
import type { TurnScope } from "./scope.ts"
import { taintOf } from "./taint.ts"

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** What a call is judged by, besides its facts. */
export interface SceneRoom {
  ports: Ports
  scope: TurnScope
  request: TurnRequest
  /** The session's messages so far, this turn's included; whoever runs the turn adds to them. */
  messages: readonly Message[]
  cwd: string
  /** Who could approve may be on the way back: after a restart calls are asked for although nobody is connected yet. */
  expectsReturn: boolean
}

export interface CallRoom extends SceneRoom {
  /** Tools this turn may use, by canonical name and alias. */
  tools: ReadonlyMap<string, Tool>
  notes: Map<string, unknown>
  /** What the client that started the turn lends to it. */
  lent?: Lent
  /** Asks the user while a call runs; absent where nobody ever can be asked so. */
  ask?(question: UserQuestion): Promise<UserAnswer>
}

/** The facts of a call, and what policy answered. */
export interface Judgement {
  facts: CallFacts
  decision: Decision
  /** The session's leave from the sandbox, when it has one. */
  elevation: Elevation | undefined
  /** Hex sha256 of the arguments in canonical JSON: what the audit keeps of them. */
  argsDigest: string
}

/** A call of ours that was understood and judged. */
export interface Judged extends Judgement {
  tool: Tool
  args: Record<string, unknown>
  touch: Touch
}

/** Circumstances that the room does not know. */
export interface SceneChanges {
  /** Set when an external agent carries the call out itself. */
  hosted?: { confined: boolean }
}

/** `asked`: an approval of this very step exists, so somebody was there to ask. A result instead of a call that cannot be judged. */
export async function judge(room: CallRoom, call: ToolCallPart, asked: boolean): Promise<Judged | ToolResult> {
  const tool = room.tools.get(call.name)
  if (!tool) {
    const names = [...new Set([...room.tools.values()].map((one) => one.name))].join(", ")
    return errorResult(`There is no tool "${call.name}". Tools: ${names}`)
  }
  if (call.args === undefined)
    return errorResult(
      `The arguments of ${tool.name} were not a complete JSON object, so nothing was run. Send them again.`,
    )
  const parsed = tool.args.safeParse(call.args)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "arguments"}: ${issue.message}`)
    return errorResult(`Invalid arguments for ${tool.name}: ${problems.join("; ")}`)
  }
  const args = parsed.data
  try {
    const touch = await tool.touch(args, room.cwd, room.ports.toolSettings)
    return { tool, args, touch, ...(await judgeFacts(room, factsOf(tool, args, touch), asked)) }
  } catch (error) {
    if (error instanceof PincerError) return errorResult(error.message)
    throw error
  }
}

/** What policy says of a call whose facts are known, wherever they come from. */
export async function judgeFacts(
  room: SceneRoom,
  facts: CallFacts,
  asked: boolean,
  changes: SceneChanges = {},
): Promise<Judgement> {
  const scene = { ...(await sceneOf(room, facts, asked)), ...changes }
  return { facts, decision: decide(scene), elevation: scene.elevation, argsDigest: argsDigest(facts.args) }
}

function factsOf(tool: Tool, args: Record<string, unknown>, touch: Touch): CallFacts {
  return {
    tool: tool.name,
    aliases: tool.aliases,
    class: tool.class,
    from: tool.from ?? "builtin",
    ...(tool.trusted ? { trusted: true } : {}),
    args,
    reads: touch.reads,
    writes: touch.writes,
    hosts: touch.hosts,
    ...(touch.facts ? { command: touch.facts } : {}),
    ...(touch.messages ? { messages: touch.messages } : {}),
  }
}

async function sceneOf(room: SceneRoom, call: CallFacts, asked: boolean): Promise<Scene> {
  const { ports, request, scope } = room
  const { rights } = ports
  const { key: sessionKey } = scope.session
  const { agentId } = request
  const now = ports.clock.now()
  const wanting = wantingOf(room)
  const layers = rights.layers(wanting)
  const [grants, elevation, sandbox, counts] = await Promise.all([
    rights.grants(agentId, sessionKey),
    rights.elevation(sessionKey),
    rights.sandbox(agentId),
    countsOf(room, rateQueries(layers, call.tool), now),
  ])
  return {
    call,
    agentId,
    sessionKey,
    origin: request.origin,
    provider: wanting.provider,
    model: wanting.model,
    subAgent: request.origin.parentTurnId !== undefined,
    workspace: room.cwd,
    home: ports.home,
    now,
    utcOffsetMinutes: rights.utcOffsetMinutes(now),
    permissions: rights.permissions(wanting),
    layers,
    grants,
    taint: taintOf(room.messages),
    elevation,
    sandbox,
    counts,
    canAsk: asked || room.expectsReturn || canReachHuman(ports, { origin: request.origin, sessionKey }),
  }
}

export function wantingOf({ messages, request, scope }: SceneRoom): Wanting {
  const last = messages.findLast((message) => message.role === "assistant")
  return { request, session: scope.session, provider: last?.provider, model: last?.model }
}

/** What the rules about how often want to know; nothing is counted that no rule asks for. */
async function countsOf(room: SceneRoom, queries: readonly RateQuery[], now: number): Promise<CallCounts> {
  const none = { turn: 0, minute: 0, day: 0 }
  if (queries.length === 0) return none
  const answers = await Promise.all(queries.map(async (query) => [query.key, await countOf(room, query, now)] as const))
  return { ...none, byRule: Object.fromEntries(answers) }
}

async function countOf({ messages, ports, request, scope }: SceneRoom, { per, tools }: RateQuery, now: number) {
  const { agentId } = request
  const whose = {
    session: { agentId, sessionKey: scope.session.key },
    sender: { agentId, who: whoOf(request) },
    agent: { agentId },
  }[per]
  const since = async (at: number) => {
    const counts = await Promise.all(tools.map((tool) => ports.rights.used({ ...whose, tool, since: at })))
    return counts.reduce((sum, count) => sum + count, 0)
  }
  const [minute, day] = await Promise.all([since(now - MINUTE_MS), since(now - DAY_MS)])
  const turn = messages
    .filter((message) => message.turnId === request.turnId && message.role === "tool")
    .flatMap((message) => message.content)
    .filter((part) => part.type === "tool.result" && tools.includes(part.name))
  return { turn: turn.length, minute, day }
}
