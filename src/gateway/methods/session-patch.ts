// sessions.patch and sessions.patchMany: what people change of sessions, one or many at once.
import { z } from "zod"
import { asPincerError, PincerError } from "../../base/errors.ts"
import { ELEVATED_LEVELS } from "../../protocol/permission.ts"
import type { SessionRow } from "../../store/store.ts"
import { checkPermissions, listedPath, namesSession, requireAgent, resolveSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { SESSION_PERMISSIONS } from "../policy/rights.ts"
import { applyChosen, chosenBy, withChosen } from "../sessions/session-options.ts"
import { ATTENTION, markedUnreadAt, SETTINGS, WORD_MARKS, withMarks } from "../sessions/session-settings.ts"
import { setElevated } from "./elevated.ts"
import { type Method, type MethodContext, method } from "./method.ts"
import { permissions, sessionFields } from "./params.ts"
import { elevatedFields, modelName, modelOf, requireDirectory, row as rowSchema, sessionRow } from "./sessions.ts"

/** What sessions.patch changes, as session.changed names it. */
const CHANGEABLE = [
  "label",
  "name",
  "model",
  "agentMode",
  "agentOptions",
  "cwd",
  "elevatedLevel",
  "permissions",
  "archived",
  "attention",
  "pinned",
  "unread",
  ...Object.keys(WORD_MARKS),
  ...Object.keys(SETTINGS),
]

/** What changes how much a session may do or whom it answers: only an administrator sets that. */
const WEIGHTY = ["cwd", "elevatedLevel", "permissions", "sendPolicy", "groupActivation"]

const settingFields = () =>
  Object.fromEntries(Object.entries(SETTINGS).map(([name, values]) => [name, z.enum(values).nullable().optional()]))

const demanded = (changes: object) =>
  WEIGHTY.some((name) => Reflect.get(changes, name) !== undefined) ? "operator.admin" : "operator.write"

const word = (max: number) => z.string().trim().min(1).max(max).nullable().optional()

const changes = () => ({
  label: z.string().trim().min(1).max(64).nullable().optional(),
  name: z
    .string()
    .trim()
    .min(1)
    .max(200)
    .nullable()
    .optional()
    .describe("Title that people give it; need not be unique"),
  model: z.string().min(1).nullable().optional(),
  cwd: z.string().min(1).nullable().optional(),
  elevatedLevel: z.enum(ELEVATED_LEVELS).nullable().optional().describe("The same as elevated.set; null is off"),
  permissions: permissions().nullable().describe("What the turns of this session may do, unless one says otherwise"),
  agentMode: z.string().min(1).nullable().optional().describe("A mode of the external agent (session.options)"),
  agentOptions: z
    .record(z.string().min(1).max(200), z.union([z.string().max(2000), z.boolean()]).nullable())
    .optional()
    .describe("Options of the external agent by id (session.options); set at once where it runs"),
  ...settingFields(),
  archived: z.boolean().optional().describe("Put away, or taken back"),
  category: word(WORD_MARKS.category).describe("The group that it is sorted into (sessions.groups.list)"),
  icon: word(WORD_MARKS.icon),
  color: word(WORD_MARKS.color),
  statusNote: word(WORD_MARKS.statusNote),
  attention: z.enum(ATTENTION).nullable().optional(),
  pinned: z.boolean().optional(),
  unread: z.boolean().optional().describe("Marked as unread, until somebody takes the mark away"),
})

/** What has to be so still, or nothing is changed. */
const expected = () => ({
  expectedSessionId: z.string().min(1).max(100).optional().describe("CONFLICT when the session was reset since"),
  expectedMarkedUnreadAt: z.number().nullable().optional().describe("CONFLICT when somebody else changed the mark"),
})

const patchFields = () =>
  z
    .object({ ...sessionFields(), ...changes(), ...expected() })
    .refine(namesSession, { path: ["key"], error: "key is required" })

type PatchParams = z.infer<ReturnType<typeof patchFields>>

const patch = method({
  name: "sessions.patch",
  summary: "Changes label, model, working directory, marks or settings of a session; null clears.",
  scope: "operator.write",
  demands: demanded,
  params: patchFields,
  result: () =>
    z.looseObject({
      ok: z.boolean(),
      path: z.string(),
      key: z.string(),
      entry: rowSchema(),
      resolved: z.looseObject({ modelProvider: z.string(), model: z.string() }),
    }),
  run: patched,
})

async function patched(params: PatchParams, { caller, parts }: MethodContext) {
  const name = await resolveSession(params, parts)
  requireAgent(name.agentId, parts)
  const { label, cwd, elevatedLevel } = params
  if (typeof cwd === "string") await requireDirectory(cwd)
  const before = await parts.store.sessions.get(name.key)
  requireExpected(params, before)
  const chosen = await chosenBy(params, name, parts)
  const known = typeof params.model === "string" ? modelName(params.model, name.agentId, parts) : params.model
  const model = chosen.model === undefined ? known : chosen.model
  const made = await parts.store.sessions.ensure(name.key, name.agentId)
  await applyChosen(chosen, made, parts)
  const session = (await parts.store.sessions.get(name.key)) ?? made
  if (elevatedLevel !== undefined) await setElevated(name, { level: elevatedLevel ?? "off" }, caller, parts)
  const settings = withMarks(withChosen(session.settings, chosen), params, parts.clock.now())
  for (const setting of Object.keys(SETTINGS)) {
    const value: unknown = Reflect.get(params, setting)
    if (value === null) delete settings[setting]
    else if (typeof value === "string") settings[setting] = value
  }
  if (params.permissions === null) delete settings[SESSION_PERMISSIONS]
  else if (params.permissions) {
    checkPermissions(params.permissions, name.agentId, { door: "control" }, caller.scopes, parts)
    settings[SESSION_PERMISSIONS] = JSON.stringify(params.permissions)
  }
  const row = await parts.store.sessions.patch(name.key, {
    settings,
    ...(label === undefined ? {} : { label }),
    ...(params.name === undefined ? {} : { name: params.name }),
    ...(model === undefined ? {} : { model }),
    ...(cwd === undefined ? {} : { cwd }),
    ...archiving(params.archived, session, parts),
  })
  parts.notices.tell({
    type: "updated",
    key: name.key,
    changed: CHANGEABLE.filter((one) => Reflect.get(params, one) !== undefined),
  })
  const resolved = modelOf(row, parts)
  const entry = { ...sessionRow(row, parts), ...elevatedFields(await parts.elevations.of(name.key)) }
  return { ok: true, path: listedPath(row), key: name.key, entry, resolved }
}

function requireExpected(
  { expectedMarkedUnreadAt, expectedSessionId }: Pick<PatchParams, "expectedMarkedUnreadAt" | "expectedSessionId">,
  session: SessionRow | undefined,
): void {
  const differs = (what: string) =>
    new PincerError("CONFLICT", `The session was changed in the meantime (${what}): look at it again`, {
      details: { code: "SESSION_CHANGED", sessionId: session?.id ?? null },
    })
  if (expectedSessionId !== undefined && expectedSessionId !== session?.id) throw differs("sessionId")
  const marked = session ? markedUnreadAt(session.settings) : null
  if (expectedMarkedUnreadAt !== undefined && expectedMarkedUnreadAt !== marked) throw differs("markedUnreadAt")
}

function archiving(archived: boolean | undefined, { archivedAt }: SessionRow, { clock }: Pick<Parts, "clock">) {
  if (archived === undefined) return {}
  return { archivedAt: archived ? (archivedAt ?? clock.now()) : null }
}

const MAX_TARGETS = 200

const outcome = () =>
  z.union([
    z.object({ ok: z.literal(true), key: z.string(), agentId: z.string() }),
    z.object({
      ok: z.literal(false),
      key: z.string(),
      agentId: z.string().optional(),
      error: z.looseObject({ code: z.string(), message: z.string(), retryable: z.boolean() }),
    }),
  ])

const patchMany = method({
  name: "sessions.patchMany",
  summary: "The same change to many sessions, each for itself: what is refused of one changes nothing of the others.",
  scope: "operator.write",
  demands: ({ patch: wish }) => demanded(wish),
  params: () =>
    z.object({
      targets: z
        .array(
          z
            .object({ ...sessionFields(), ...expected() })
            .refine(namesSession, { path: ["key"], error: "key is required" }),
          {
            error: "targets is required: a list of { key }",
          },
        )
        .min(1)
        .max(MAX_TARGETS),
      patch: z.object(changes()).refine((wish) => Object.values(wish).some((value) => value !== undefined), {
        error: "patch changes nothing: name what is to change",
      }),
    }),
  result: () => z.object({ outcomes: z.array(outcome()) }),
  async run({ patch: wish, targets }, context) {
    const outcomes: z.infer<ReturnType<typeof outcome>>[] = []
    for (const target of targets) outcomes.push(await patchOne({ ...wish, ...target }, context))
    return { outcomes }
  },
})

async function patchOne(params: PatchParams, context: MethodContext): Promise<z.infer<ReturnType<typeof outcome>>> {
  const named = params.sessionKey ?? params.key ?? params.path ?? params.sessionId ?? ""
  try {
    const { agentId, key } = await resolveSession(params, context.parts)
    if (!(await context.parts.store.sessions.get(key)))
      throw new PincerError("NOT_FOUND", `Unknown session "${key}": run "pincer session list"`)
    await patched(params, context)
    return { ok: true, key, agentId }
  } catch (error) {
    const { code, details, message, retryable, retryAfterMs } = asPincerError(error)
    const told = { code, message, retryable, ...(details ? { details } : {}) }
    return { ok: false, key: named, error: { ...told, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) } }
  }
}

export const sessionPatchMethods: readonly Method[] = [patch, patchMany]
