// chat.inject: a note in the assistant's name, without a run. chat.message.get: one message by its id.
import { z } from "zod"
import { namesSession, requireAgent, requireSession, resolveSession } from "../inbound.ts"
import { historyMessages, shortened } from "../sessions/history.ts"
import { addNote } from "../sessions/note.ts"
import { type Method, method } from "./method.ts"
import { count, renamed, sessionFields } from "./params.ts"

const inject = method({
  name: "chat.inject",
  summary: "Writes a note into a session as if the assistant had said it; no run begins, later runs read it.",
  scope: "operator.admin",
  normalize: (params) => renamed(params, { path: ["file"], message: ["text"] }),
  params: () =>
    z
      .object({
        ...sessionFields(),
        message: z.string({ error: "message is required" }).trim().min(1).max(500_000),
        label: z.string().trim().min(1).max(100).optional().describe("Stands in brackets before it"),
      })
      .refine(namesSession, { path: ["sessionKey"], error: "sessionKey is required" }),
  result: () => z.object({ ok: z.literal(true), messageId: z.string(), sessionKey: z.string() }),
  async run({ label, message: said, ...named }, { parts }) {
    const { agentId, key } = await resolveSession(named, parts)
    requireAgent(agentId, parts)
    const messageId = await addNote({ agentId, key }, label === undefined ? said : `[${label}]\n\n${said}`, parts)
    return { ok: true as const, messageId, sessionKey: key }
  },
})

const get = method({
  name: "chat.message.get",
  summary: "One message of a session's transcript by its id.",
  scope: "operator.read",
  normalize: (params) => renamed(params, { path: ["file"], messageId: ["id"] }),
  params: () =>
    z
      .object({
        ...sessionFields(),
        messageId: z.string({ error: "messageId is required" }).min(1).max(200),
        maxChars: count(500_000),
      })
      .refine(namesSession, { path: ["sessionKey"], error: "sessionKey is required" }),
  result: () =>
    z.object({
      ok: z.boolean(),
      message: z.looseObject({ role: z.string(), timestamp: z.number() }).optional(),
      messages: z
        .array(z.looseObject({ role: z.string() }))
        .optional()
        .describe("A tool message with several results"),
      unavailableReason: z.enum(["not_found"]).optional(),
    }),
  async run({ maxChars, messageId, ...named }, { parts }) {
    const { key } = await requireSession(named, parts)
    const messages = await parts.store.transcript.messages(key)
    const found = messages.find(({ id }) => id === messageId)
    if (!found) return { ok: false, unavailableReason: "not_found" as const }
    const shown = historyMessages(found).map((one) => (maxChars === undefined ? one : shortened(one, maxChars)))
    return { ok: true, message: shown[0], ...(shown.length > 1 ? { messages: shown } : {}) }
  },
})

export const chatNoteMethods: readonly Method[] = [inject, get]
