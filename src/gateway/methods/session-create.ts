// sessions.create: a new conversation, with its settings, as a copy of another, or with its first words, in one call.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { parseSessionKey, type SessionName } from "../../protocol/session.ts"
import type { SessionPatch, SessionRow } from "../../store/store.ts"
import { attachmentParts, attachments } from "../attachments.ts"
import { requireAgent, requireSession, resolveSession, turnRequest } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { type Method, type MethodContext, method } from "./method.ts"
import { idempotencyKey, renamed, THINKING } from "./params.ts"
import { modelName, requireDirectory, row, sessionRow } from "./sessions.ts"

const fields = () =>
  z.object({
    key: z.string().min(1).max(512).optional().describe("Default: a new one"),
    agentId: z.string().min(1).optional(),
    label: z.string().trim().min(1).max(64).optional().describe("Unique among sessions"),
    name: z.string().trim().min(1).max(200).optional().describe("Also title or displayName"),
    model: z.string().min(1).optional(),
    thinkingLevel: z.enum(THINKING).optional(),
    cwd: z.string().min(1).optional().describe("Absolute path of a folder; default: that of its group, if it has one"),
    category: z.string().trim().min(1).max(64).optional().describe("The group that it is sorted into"),
    parentSessionKey: z.string().min(1).optional().describe("With fork: whose transcript and settings it begins with"),
    fork: z.boolean().optional(),
    message: z.string().max(500_000).optional().describe("Said at once; also task"),
    attachments: attachments(),
    idempotencyKey: idempotencyKey(),
  })

type Wish = z.infer<ReturnType<typeof fields>>

const create = method({
  name: "sessions.create",
  summary: "A new session, empty or as a copy of another, and its first turn if something is said. One there is kept.",
  scope: "operator.write",
  limited: "sessionCreations",
  normalize(params, caller) {
    const out = renamed(params, { key: ["sessionKey"], name: ["title", "displayName"], message: ["task"] })
    return caller.dialect === "py" && out["name"] === "" ? { ...out, name: undefined } : out
  },
  params: fields,
  result: () =>
    z.looseObject({
      ok: z.literal(true),
      key: z.string(),
      id: z.string().describe("The same as sessionId"),
      sessionId: z.string(),
      agentId: z.string(),
      title: z.string().optional(),
      created: z.boolean(),
      entry: row(),
      runStarted: z.boolean(),
      runId: z.string().optional(),
      runError: z.looseObject({ code: z.string(), message: z.string() }).optional(),
    }),
  async run(params, context) {
    const { parts } = context
    const name = await nameFor(params, parts)
    requireAgent(name.agentId, parts)
    if (params.cwd !== undefined) await requireDirectory(params.cwd)
    const known = await parts.store.sessions.get(name.key)
    const made = known ?? (await open(name, params, parts))
    const folder = known ? undefined : await groupFolder(params, parts)
    const patched = await parts.store.sessions.patch(made.key, {
      ...(folder === undefined ? {} : { cwd: folder }),
      ...patchOf(params, made, parts),
    })
    parts.notices.tell({ type: "updated", key: made.key, changed: [known ? "settings" : "created"] })
    const begun = await begin(name, params, context)
    return {
      ok: true,
      key: made.key,
      id: made.id,
      sessionId: made.id,
      agentId: made.agentId,
      ...(patched.name === null ? {} : { title: patched.name }),
      created: known === undefined,
      entry: sessionRow(patched, parts),
      ...begun,
    }
  },
})

async function nameFor({ agentId, key, parentSessionKey }: Wish, parts: Parts): Promise<SessionName> {
  if (key !== undefined) return resolveSession({ key, ...(agentId === undefined ? {} : { agentId }) }, parts)
  const parent = parentSessionKey === undefined ? undefined : parseSessionKey(parentSessionKey)
  return parseSessionKey(uuid(parts.clock.now()), agentId ?? parent?.agentId ?? parts.config.agents.default)
}

async function open(name: SessionName, { fork, parentSessionKey }: Wish, parts: Parts): Promise<SessionRow> {
  if (!fork) return parts.store.sessions.ensure(name.key, name.agentId)
  if (parentSessionKey === undefined)
    throw new PincerError("INVALID_PARAMS", "fork needs parentSessionKey: name the session to begin with")
  const source = await requireSession({ key: parentSessionKey }, parts)
  if (source.agentId !== name.agentId)
    throw new PincerError(
      "INVALID_PARAMS",
      `"${source.key}" is of another agent than "${name.key}": fork within one agent`,
    )
  return parts.store.transcript.fork(source.key, name.key, name.agentId)
}

/** Where sessions of its group work. One that is gone since is left alone: the session works where its agent does. */
async function groupFolder({ category, cwd, fork }: Wish, { store }: Parts): Promise<string | undefined> {
  if (category === undefined || cwd !== undefined || fork) return undefined
  const { groups } = await store.groups.list()
  const folder = groups.find(({ name }) => name === category)?.cwd
  if (typeof folder !== "string") return undefined
  return requireDirectory(folder).then(
    () => folder,
    () => undefined,
  )
}

function patchOf(params: Wish, made: SessionRow, parts: Parts): SessionPatch {
  const { category, cwd, label, model, name, thinkingLevel } = params
  return {
    ...(label === undefined ? {} : { label }),
    ...(name === undefined ? {} : { name }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(model === undefined ? {} : { model: modelName(model, made.agentId, parts) }),
    settings: {
      ...made.settings,
      ...(thinkingLevel === undefined ? {} : { thinkingLevel }),
      ...(category === undefined ? {} : { category }),
    },
  }
}

/** The first turn. The session stays when it is refused. */
async function begin(name: SessionName, params: Wish, { caller, follow, parts }: MethodContext) {
  const text = params.message?.trim() ? [{ type: "text" as const, text: params.message }] : []
  const input = [...text, ...attachmentParts(params.attachments)]
  if (input.length === 0) return { runStarted: false }
  try {
    const request = turnRequest(name, { input, idempotencyKey: params.idempotencyKey }, caller, parts)
    follow(request.turnId)
    const { record } = await parts.lanes.submit(request)
    return { runStarted: true, runId: record.turnId }
  } catch (error) {
    if (!(error instanceof PincerError)) throw error
    return { runStarted: false, runError: { code: error.code, message: error.message } }
  }
}

export const sessionCreateMethods: readonly Method[] = [create]
