// HTTP requests and tools of steps: the same judged path as calls of an agent, without a turn around them.
import { readFile } from "node:fs/promises"
import { type CallRoom, judge } from "../../agent/scene.ts"
import { taintOfCall } from "../../agent/taint.ts"
import { launchAt } from "../../agent/tool-context.ts"
import { PincerError } from "../../base/errors.ts"
import { excerpt } from "../../base/text.ts"
import type { CallFacts } from "../../policy/scene.ts"
import { resolvePath } from "../../tools/paths.ts"
import type { Tool, ToolContext, ToolSettings } from "../../tools/tool.ts"
import { webRequest, webUrl } from "../../tools/web.ts"
import { auditStep, type StepLeave, type StepLeaves, type StepWish } from "./leave.ts"
import type { StepRoom, StepRooms } from "./step-room.ts"

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const

export interface RequestHouse {
  settings: ToolSettings
  leaves: StepLeaves
  rooms: StepRooms
}

export interface WebAsk {
  url: string
  method: string
  headers: Record<string, string>
  body?: string
}

/** Names are looked up and judged by us; private addresses only where the owner allows them. */
export async function fetchForStep(house: RequestHouse, room: StepRoom, ask: WebAsk) {
  const method = METHODS.find((one) => one === ask.method.toUpperCase())
  if (!method) throw new PincerError("INVALID_PARAMS", `Unknown HTTP method "${ask.method}": use ${METHODS.join(", ")}`)
  const { host } = webUrl(ask.url)
  const facts: CallFacts = {
    tool: "WebFetch",
    aliases: ["web_fetch"],
    class: "network",
    from: "builtin",
    args: { url: ask.url, method },
    reads: [],
    writes: [],
    hosts: [host],
  }
  const wish: StepWish = { facts: async () => facts, title: excerpt(`${method} ${ask.url}`, 300) }
  const { fetch: settings } = house.settings
  return acted(house, room, wish, await house.leaves.permit(room, wish), async () => {
    const { body, headers } = ask
    const response = await webRequest({ ...settings, url: ask.url, method, headers, body, signal: room.signal })
    if (response.cut)
      throw new PincerError(
        "TOO_LARGE",
        `${host} answered with more than ${settings.maxBytes} bytes (tools.fetch.maxBytes)`,
      )
    return { status: response.status, text: response.body.toString("utf8") }
  })
}

/** A text file that a step needs: a template, another workflow. */
export async function readForStep(house: RequestHouse, room: StepRoom, path: string): Promise<string> {
  const facts = async (): Promise<CallFacts> => ({
    tool: "Read",
    aliases: ["read"],
    class: "read",
    from: "builtin",
    args: { path },
    reads: [await resolvePath(path, room.cwd)],
    writes: [],
    hosts: [],
  })
  const wish: StepWish = { facts, title: excerpt(`Read ${path}`, 300) }
  const leave = await house.leaves.permit(room, wish)
  const [real] = leave.judgement.facts.reads
  return acted(house, room, wish, leave, () => readFile(real!, "utf8"))
}

/** One tool of the house; what it gives as text. A tool that refuses or fails throws. */
export async function toolForStep(
  house: RequestHouse,
  room: StepRoom,
  tools: ReadonlyMap<string, Tool>,
  name: string,
  args: Record<string, unknown>,
): Promise<string> {
  const { address, ports, signal } = room
  const notes = new Map<string, unknown>()
  const call = { type: "tool.call" as const, callId: address.path, name, args }
  const callRoom: CallRoom = { ...room, tools, notes }
  const looked = await judge(callRoom, call, false)
  if (!("tool" in looked)) throw new PincerError("INVALID_PARAMS", textOf(looked.content))
  const { tool } = looked
  let { touch, args: parsed } = looked
  const wish: StepWish = {
    async facts() {
      const now = await judge(callRoom, call, true)
      if (!("tool" in now)) throw new PincerError("INVALID_PARAMS", textOf(now.content))
      touch = now.touch
      parsed = now.args
      return now.facts
    },
    title: excerpt(`${tool.name} ${tool.title(parsed)}`, 300),
  }
  const leave = await house.leaves.permit(room, wish)
  const { placement } = leave.judgement.decision
  return acted(house, room, wish, leave, async () => {
    const context: ToolContext = {
      cwd: room.cwd,
      judged: touch,
      notes,
      signal,
      clock: ports.clock,
      launch: (program) => launchAt(leave.room, { callId: address.path, tool: tool.name, placement }, program),
      progress: () => undefined,
      settings: house.settings,
    }
    const result = await tool.run(parsed, context)
    const text = ports.redactor.text(textOf(result.content))
    if (result.isError) throw new PincerError("UNAVAILABLE", text, { retryable: false })
    return text
  })
}

/** Does what was allowed, and writes down what came of it. */
async function acted<T>(
  house: RequestHouse,
  room: StepRoom,
  wish: StepWish,
  { judgement, room: judged }: StepLeave,
  act: () => Promise<T>,
): Promise<T> {
  const { clock } = room.ports
  const startedAt = clock.now()
  const { decision, facts } = judgement
  let outcome: "done" | "failed" | "canceled" = "failed"
  try {
    const result = await act()
    outcome = "done"
    await house.rooms.remember(room, facts.tool, taintOfCall(facts, decision, room.cwd, room.address.path))
    return result
  } finally {
    if (room.signal.aborted) outcome = "canceled"
    await auditStep(judged, wish, judgement, { type: "effect", outcome, durationMs: clock.now() - startedAt })
  }
}

function textOf(content: readonly ({ type: "text"; text: string } | { type: "image" })[]): string {
  return content.map((part) => (part.type === "text" ? part.text : "[image]")).join("\n")
}
