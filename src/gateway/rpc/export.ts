// Sessions written out and read back in (IM-EXP): JSON version 1.0 that keeps name, tags, archive, activity and metadata, and Markdown
// for people. What is imported becomes recorded events again, so that every door shows it like any other session.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { isObject, parseJson } from "../../base/json.ts"
import { isAgentId } from "../../protocol/session.ts"
import type { SessionRow } from "../../store/store.ts"
import { resolveSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import type { Activity } from "./activity.ts"
import { type Restored, restore } from "./restore.ts"
import { sessionOf } from "./session-view.ts"

const VERSION = "1.0"
export const EXPORT_FORMATS = ["json", "markdown"]

/** Throws INVALID_PARAMS for an unknown format. */
export async function exportSession(row: SessionRow, format: string, parts: Parts): Promise<string> {
  const session = await sessionOf(row, parts)
  if (format === "markdown" || format === "md") return asMarkdown(session)
  if (format !== "json")
    throw new PincerError("INVALID_PARAMS", `format "${format}" is not one of ${EXPORT_FORMATS.join(", ")}`)
  const exported_at = new Date(parts.clock.now()).toISOString()
  return JSON.stringify({ exported_at, format: "json", version: VERSION, session }, null, 2)
}

const eventSchema = z.looseObject({
  type: z.string(),
  content: z.string().default(""),
  name: z.string().optional(),
  input: z.string().optional(),
  output: z.string().optional(),
})
const activitySchema = z.object({
  type: z.enum(["prompt", "event", "result", "error"]),
  request_id: z.string().max(256).optional(),
  timestamp: z.string(),
  prompt: z.string().optional(),
  content: z.string().optional(),
  error: z.string().optional(),
  event: eventSchema.optional(),
})
const sessionSchema = z.looseObject({
  id: z.string().min(1).max(400),
  agent_name: z.string().optional(),
  name: z.string().max(200).optional(),
  tags: z.array(z.string().max(64)).max(100).optional(),
  archived: z.boolean().optional(),
  activity: z.array(activitySchema).optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
})

/** Throws INVALID_PARAMS "Import failed: …" and changes nothing then. One of the same id is replaced. */
export async function importSession(data: string, parts: Parts): Promise<SessionRow> {
  const session = readExport(data)
  const wanted = session.agent_name?.toLowerCase()
  const known = wanted !== undefined && isAgentId(wanted) && parts.agents.has(wanted) ? wanted : undefined
  const name = await resolveSession({ sessionKey: session.id }, parts)
  const events: Restored[] = restore((session.activity ?? []) as Activity[])
  await parts.lanes.cancel({ sessionKey: name.key, queued: true })
  const settings: Record<string, string> = {
    ...(known === undefined || known === name.agentId ? {} : { agent: known }),
    ...(session.metadata === undefined ? {} : { metadata: JSON.stringify(session.metadata) }),
  }
  const now = parts.clock.now()
  return parts.store.transcript.restore(name.key, name.agentId, events, {
    name: session.name ?? null,
    tags: [...new Set(session.tags ?? [])],
    archivedAt: session.archived ? now : null,
    settings,
  })
}

function readExport(data: string): z.infer<typeof sessionSchema> {
  const refuse = (why: string, cause?: unknown) => new PincerError("INVALID_PARAMS", `Import failed: ${why}`, { cause })
  let value: unknown
  try {
    value = parseJson(data)
  } catch (error) {
    if (error instanceof SyntaxError) throw refuse("the data is not JSON: use what export wrote", error)
    throw error
  }
  if (!isObject(value)) throw refuse("the data is not an export")
  const version = value["version"]
  if (version !== undefined && version !== VERSION)
    throw refuse(`version "${String(version).slice(0, 20)}" is not known, only ${VERSION}`)
  if (!isObject(value["session"])) throw refuse("the session is missing")
  const parsed = sessionSchema.safeParse(value["session"])
  if (parsed.success) return parsed.data
  const [first] = parsed.error.issues
  throw refuse(`session.${first?.path.join(".") ?? ""}: ${first?.message ?? "not understood"}`)
}

function asMarkdown(session: Record<string, unknown>): string {
  const { activity, archived, tags } = session
  const head = [
    ["ID", session["id"]],
    ["Agent", session["agent_name"]],
    ["Channel", session["channel"]],
    ["Status", session["status"]],
    ["Created", session["created_at"]],
    ["Last Active", session["last_active"]],
    ["Tags", Array.isArray(tags) ? tags.join(", ") : "none"],
    ["Archived", archived === true ? "yes" : "no"],
  ]
  const title = typeof session["name"] === "string" ? session["name"] : session["id"]
  const lines = [`# ${String(title)}`, "", ...head.map(([name, value]) => `- **${name}**: ${String(value)}`), ""]
  lines.push("## Activity", "")
  for (const one of Array.isArray(activity) ? (activity as Activity[]) : []) lines.push(...activityLines(one))
  return `${lines.join("\n").trimEnd()}\n`
}

function activityLines(one: Activity): string[] {
  const { event } = one
  const kind = one.type === "event" ? `event ${event?.type ?? ""}`.trim() : one.type
  // Deltas say what their final says again.
  if (event && /_delta$|_start$|_end$/.test(event.type) && event.type !== "thinking_delta") return []
  const heading = `### ${one.request_id ?? one.id} · ${kind} · ${one.timestamp}`
  const facts = [
    ...(event?.name ? [`- **Tool**: ${event.name}`] : []),
    ...(event?.input ? [`- **Input**: \`${event.input}\``] : []),
    ...(event?.output ? ["- **Output**:", "", fenced(event.output)] : []),
  ]
  const text = one.prompt ?? one.error ?? (facts.length > 0 ? "" : (one.content ?? event?.content ?? ""))
  return [heading, "", ...(facts.length > 0 ? [...facts, ""] : []), ...(text === "" ? [] : [text, ""])]
}

/** A fence that the text cannot close. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((run) => run[0].length))
  const fence = "`".repeat(longest + 1)
  return `${fence}\n${text}\n${fence}`
}
