// What an MCP server may ask of us and tell us on its connection: where it works, a question to the user, an answer of a model, lines
// for the log. Questions and wishes count only while one of its tools is at work.
import { basename } from "node:path"
import { pathToFileURL } from "node:url"
import type { Client } from "@modelcontextprotocol/client"
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { UserAnswer, UserQuestion } from "../../protocol/question.ts"
import { elicited, questionOf } from "./elicitation.ts"
import type { McpPorts } from "./ports.ts"
import { readWish, type SamplingAnswer, type SamplingWish } from "./sampling.ts"
import { seenLine } from "./words.ts"

/** While it is held, calls do not run out of time. */
export interface Held {
  signal: AbortSignal
  done(): void
}

export interface AskHeld extends Held {
  ask(question: UserQuestion, signal: AbortSignal): Promise<UserAnswer>
}

export interface SampleHeld extends Held {
  sample(wish: SamplingWish, signal: AbortSignal): Promise<SamplingAnswer>
}

export interface ServerEars {
  /** Its tools or prompts are not the ones they were. */
  toolsChanged(): void
  /** Its resources are not. */
  changed(): void
  /** Undefined when no tool of the server is at work, or nobody can say for whom. */
  asking(): AskHeld | undefined
  /** The same for wishes; also undefined when it had its share. */
  sampling(): SampleHeld | undefined
}

const LOG_LINES = 60
const LOG_MS = 60_000

export function hearServer(client: Client, server: string, ports: McpPorts, ears: ServerEars): void {
  client.setNotificationHandler("notifications/tools/list_changed", () => ears.toolsChanged())
  client.setNotificationHandler("notifications/resources/list_changed", () => ears.changed())
  client.setNotificationHandler("notifications/prompts/list_changed", () => ears.toolsChanged())
  const log = cappedLog(ports.log, ports.clock, server)
  client.setNotificationHandler("notifications/message", ({ params }) => log(params.level, params.logger, params.data))
  // The library refuses an answer to what is not offered.
  if (ports.roots.length > 0)
    client.setRequestHandler("roots/list", () => ({
      roots: ports.roots.map((path) => ({ uri: pathToFileURL(path).href, name: basename(path) })),
    }))
  if (ports.ask) hearQuestions(client, server, ears)
  if (ports.sample) hearWishes(client, server, ears)
}

function hearQuestions(client: Client, server: string, ears: ServerEars): void {
  client.setRequestHandler("elicitation/create", async ({ params }, context) => {
    const question = questionOf(server, { ...params })
    if (!question) return { action: "decline" as const }
    const asking = ears.asking()
    if (!asking) return { action: "cancel" as const }
    try {
      const answer = await asking.ask(question, AbortSignal.any([asking.signal, context.mcpReq.signal]))
      return elicited(question, answer)
    } finally {
      asking.done()
    }
  })
}

function hearWishes(client: Client, server: string, ears: ServerEars): void {
  client.setRequestHandler("sampling/createMessage", async ({ params }, context) => {
    const wish = readWish(server, params)
    const held = ears.sampling()
    if (!held) throw new Error("A model is asked only while a tool is at work, and only a few times")
    try {
      const answer = await held.sample(wish, AbortSignal.any([held.signal, context.mcpReq.signal]))
      const { model, stopReason, text } = answer
      return { role: "assistant" as const, content: { type: "text" as const, text }, model, stopReason }
    } finally {
      held.done()
    }
  })
}

/** What a server wants in the log: short lines, so many a minute, what is beyond that counted. */
function cappedLog(log: Logger, clock: Clock, server: string) {
  let since = clock.now()
  let lines = 0
  return (level: string, logger: string | undefined, data: unknown) => {
    const now = clock.now()
    if (now - since >= LOG_MS) {
      if (lines > LOG_LINES) log.info({ server, dropped: lines - LOG_LINES }, "An MCP server wrote more than is kept")
      since = now
      lines = 0
    }
    lines += 1
    if (lines > LOG_LINES) return
    const said = seenLine(typeof data === "string" ? data : (JSON.stringify(data) ?? ""), 1_000)
    const fields = { server, level, ...(logger === undefined ? {} : { logger: seenLine(logger, 80) }), said }
    if (/^(error|critical|alert|emergency)$/.test(level)) log.warn(fields, "An MCP server logged")
    else if (level === "debug") log.debug(fields, "An MCP server logged")
    else log.info(fields, "An MCP server logged")
  }
}
