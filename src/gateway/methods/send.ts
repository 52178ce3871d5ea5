// send: a message to somewhere, without a turn. Where that can be says sessions/delivery.ts.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import type { Part } from "../../protocol/message.ts"
import { attachmentParts } from "../attachments.ts"
import { deliver } from "../sessions/delivery.ts"
import { type Method, method } from "./method.ts"
import { idempotencyKey, renamed } from "./params.ts"

const MAX_MEDIA = 10
const media = () =>
  z.url({ protocol: /^https?$/, error: "must be an address that begins with http:// or https://" }).max(4_096)

const fields = () =>
  z.object({
    to: z.string({ error: "to is required" }).trim().min(1).max(512).describe("Of a session: its key"),
    message: z.string().max(500_000).optional(),
    mediaUrl: media().optional().describe("Shown as a link: nothing is fetched"),
    mediaUrls: z.array(media()).max(MAX_MEDIA).optional(),
    buffer: z.string().optional().describe("A file as base64"),
    filename: z.string().min(1).max(300).optional(),
    contentType: z.string().min(1).max(200).optional(),
    channel: z.string().min(1).max(100).optional().describe("session (also webchat): the only one that is there"),
    accountId: z.string().optional(),
    agentId: z.string().min(1).optional(),
    sessionKey: z.string().min(1).max(512).optional().describe("Accepted; a session that is sent to is its own record"),
    idempotencyKey: idempotencyKey(),
  })

const send = method({
  name: "send",
  summary: "Says something in a session without a turn: everybody who shows it sees it, and later turns read it.",
  scope: "operator.write",
  normalize: (params) => renamed(params, { message: ["text"] }),
  params: fields,
  result: () =>
    z.object({
      runId: z.string().describe("The idempotency key"),
      messageId: z.string(),
      channel: z.string(),
      conversationId: z.string(),
      sessionKey: z.string().optional(),
    }),
  async run(params, { parts }) {
    const { agentId, channel, idempotencyKey: key = uuid(parts.clock.now()), to } = params
    const content = contentOf(params)
    if (content.length === 0)
      throw new PincerError("INVALID_PARAMS", "send requires text or media: give message, mediaUrl or buffer")
    const wish = { to, content, key, ...(channel === undefined ? {} : { channel }) }
    const delivered = await deliver({ ...wish, ...(agentId === undefined ? {} : { agentId }) }, parts)
    return { runId: key, ...delivered, sessionKey: delivered.conversationId }
  },
})

function contentOf(params: z.infer<ReturnType<typeof fields>>): Part[] {
  const { buffer, contentType, filename, mediaUrl, mediaUrls = [], message = "" } = params
  const urls = [...(mediaUrl === undefined ? [] : [mediaUrl]), ...mediaUrls]
  const file = {
    ...(buffer === undefined ? {} : { content: buffer }),
    ...(filename === undefined ? {} : { fileName: filename }),
    ...(contentType === undefined ? {} : { mimeType: contentType }),
  }
  return [
    ...(message.trim() === "" ? [] : [{ type: "text" as const, text: message }]),
    ...urls.map((uri) => ({ type: "link" as const, uri, name: new URL(uri).pathname.split("/").at(-1) || uri })),
    ...(buffer === undefined ? [] : attachmentParts([file])),
  ]
}

export const sendMethods: readonly Method[] = [send]
