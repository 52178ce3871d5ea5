// chat.startup, chat.metadata and chat.toolTitles: what a screen needs when it opens a conversation, in one call. Put together from other methods' answers.
import { z } from "zod"
import { isObject } from "../../base/json.ts"
import { excerpt } from "../../base/text.ts"
import { namesSession, requireAgent, resolveSession, type SessionParams } from "../inbound.ts"
import { chatMethods } from "./chat.ts"
import { commandMethods } from "./commands.ts"
import { type Method, type MethodContext, method } from "./method.ts"
import { modelMethods } from "./models.ts"
import { count, renamed, sessionFields, THINKING } from "./params.ts"
import { sessionLookupMethods } from "./session-lookup.ts"
import { sessionSubscriptionMethods } from "./session-subscriptions.ts"

/** What another method answers, its params read as from a caller. */
async function answerOf(
  list: readonly Method[],
  name: string,
  params: Record<string, unknown>,
  context: MethodContext,
): Promise<Record<string, unknown>> {
  const entry = list.find((one) => one.name === name)
  if (!entry) throw new TypeError(`${name} is not in its list`)
  const answer = await entry.run(entry.params.parse(params), context)
  return isObject(answer) ? answer : {}
}

const metadataFields = () => ({
  agentId: z.string(),
  sessionKey: z.string(),
  commands: z.array(z.looseObject({ name: z.string() })).describe("As in commands.list"),
  models: z.array(z.looseObject({ id: z.string(), provider: z.string() })).describe("As in models.list"),
  thinkingLevels: z.array(z.enum(THINKING)),
  hosted: z.boolean().describe("An external agent runs it: it has models of its own (session.options)"),
})

async function metadataOf(named: SessionParams, context: MethodContext) {
  const { parts } = context
  const { agentId, key: sessionKey } = await resolveSession(named, parts)
  const hosted = requireAgent(agentId, parts).hosted !== undefined
  const [{ commands }, { models }] = await Promise.all([
    answerOf(commandMethods, "commands.list", { sessionKey }, context),
    answerOf(modelMethods, "models.list", {}, context),
  ])
  return { agentId, sessionKey, commands, models: hosted ? [] : models, thinkingLevels: [...THINKING], hosted }
}

const metadata = method({
  name: "chat.metadata",
  summary: "What can be chosen in a session: commands with a slash, models, levels of thinking.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () => z.object(sessionFields()),
  result: () => z.object(metadataFields()),
  run: (params, context) => metadataOf(params, context),
})

const found = () =>
  z.union([
    z.looseObject({ ok: z.literal(true), key: z.string(), agentId: z.string() }),
    z.object({ ok: z.literal(false), candidates: z.array(z.looseObject({ key: z.string() })).optional() }),
  ])

const startup = method({
  name: "chat.startup",
  summary:
    "Opens a conversation for a screen: its newest messages (chat.history), what can be chosen (chat.metadata), and from now on sessions.changed.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () =>
    z
      .object({
        ...sessionFields(),
        shortId: z.string().min(4).max(36).optional().describe("The first characters of its id"),
        limit: count(1000),
        maxChars: count(500_000),
      })
      .refine((p) => namesSession(p) || p.shortId !== undefined, {
        path: ["sessionKey"],
        error: "sessionKey or shortId is required",
      }),
  result: () =>
    z.looseObject({
      resolution: found().optional().describe("With shortId: which session it is, or which it may be"),
      sessionKey: z.string().optional(),
      messages: z.array(z.looseObject({ role: z.string() })).optional(),
      metadata: z.object(metadataFields()).optional(),
      subscribed: z.boolean().describe("This connection is told sessions.changed"),
    }),
  async run({ limit, maxChars, shortId, ...named }, context) {
    const subscribed = context.emit !== undefined
    if (subscribed) await answerOf(sessionSubscriptionMethods, "sessions.subscribe", {}, context)
    const asked = { shortId, agentId: named.agentId, allowMissing: true }
    const resolution =
      shortId === undefined ? undefined : await answerOf(sessionLookupMethods, "sessions.resolve", asked, context)
    if (resolution && resolution["ok"] !== true) return { resolution, subscribed }
    const session = resolution ? { sessionKey: String(resolution["key"]) } : named
    const history = await answerOf(chatMethods, "chat.history", { ...session, limit, maxChars }, context)
    const metadata = await metadataOf(session, context)
    return { ...history, ...(resolution ? { resolution } : {}), metadata, subscribed }
  },
})

const MAX_TITLE = 300

const titles = method({
  name: "chat.toolTitles",
  summary:
    "One line for people for each call of a tool, as the tool itself says it; of a tool that is not known here there is none.",
  scope: "operator.write",
  normalize: (params) => renamed(params, { path: ["file"] }),
  params: () =>
    z.object({
      ...sessionFields(),
      items: z
        .array(
          z.object({
            id: z.string().min(1).max(300),
            name: z.string().min(1).max(300),
            input: z.string().max(100_000).describe("The arguments, as JSON"),
          }),
          { error: "items is required: a list of { id, name, input }" },
        )
        .max(200),
    }),
  result: () => z.object({ titles: z.record(z.string(), z.string()) }),
  async run({ items }, { parts }) {
    const titles: Record<string, string> = {}
    for (const { id, input, name } of items) {
      const tool = parts.tools.find((one) => one.name === name || one.aliases.includes(name))
      const args = tool?.args.safeParse(jsonOf(input))
      if (tool && args?.success) titles[id] = excerpt(tool.title(args.data), MAX_TITLE)
    }
    return { titles }
  },
})

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const chatStartupMethods: readonly Method[] = [metadata, startup, titles]
