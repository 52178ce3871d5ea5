// config.*: the configuration shown, changed and loaded anew. The work is in gateway/config/config-calls.ts, loaded at the first call.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { ConfigEdit } from "../../config/revise.ts"
import { type Caller, type Method, method } from "./method.ts"

const calls = () => import("../config/config-calls.ts")
const whoIs = ({ clientId, deviceId }: Caller) => deviceId ?? clientId

const paths = () => z.array(z.string())
const baseHash = () =>
  z.string().optional().describe("`hash` of config.get: the change is refused when the file has changed since")
const extras = () => ({
  baseHash: baseHash(),
  sessionKey: z.string().optional().describe("Where the gateway says that it is back, when it was started anew"),
  note: z.string().max(2_000).optional().describe("Kept in the log, and said there"),
  restartDelayMs: z
    .number()
    .min(0)
    .max(600_000)
    .optional()
    .describe("config.apply and config.patch: between the answer and the restart, where one is needed; default 1000"),
})
const written = () =>
  z.looseObject({
    ok: z.literal(true),
    path: z.string(),
    config: z.unknown().describe("What the file says now, with defaults, secrets replaced"),
    hash: z.string(),
    changed: paths().describe("Places that count now"),
    restart: z.looseObject({
      ok: z.boolean().describe("False: one is needed, and nobody does it"),
      needed: z.boolean(),
      scheduled: z.boolean().describe("The gateway starts itself anew after delayMs; its process id stays"),
      delayMs: z.number(),
      paths: paths().describe("Places that count after a restart"),
      reason: z.string(),
    }),
    sentinel: z.unknown(),
  })

const get = method({
  name: "config.get",
  summary: "The configuration in force with its secrets replaced, or the value at one key, and the file as it is now.",
  scope: "operator.read",
  params: () => z.object({ key: z.string().min(1).optional().describe("Dotted path, for example gateway.port") }),
  result: () =>
    z.looseObject({
      path: z.string(),
      exists: z.boolean(),
      raw: z.string().nullable().describe("Text of the file, secrets replaced"),
      parsed: z.unknown().describe("What the file says"),
      valid: z.boolean().describe("Whether the file is valid as it is now"),
      config: z.unknown().describe("What is in force, with defaults filled in"),
      hash: z.string().describe("SHA-256 of the file, hex"),
      issues: z.array(z.unknown()),
      value: z.unknown().describe("What stands at `key`; without a key the whole configuration"),
      mode: z.enum(["configured", "last-known-good", "safe"]),
      restart: paths().describe("Places where the file waits for a restart"),
    }),
  async run({ key }, { parts }) {
    return (await calls()).shownConfig(parts, key)
  },
})

interface SetParams {
  raw?: string | undefined
  config?: Record<string, unknown> | undefined
  key?: string | undefined
  value?: unknown
}

const set = method({
  name: "config.set",
  summary:
    "Changes one key, or replaces the whole: checked, written with the text before it kept, and in force at once.",
  scope: "operator.admin",
  limited: "controlWrites",
  params: () =>
    z.object({
      raw: z.string().optional().describe("The whole file as JSON, JSONC or JSON5; needs baseHash where a file exists"),
      config: z.record(z.string(), z.unknown()).optional().describe("The whole as a value"),
      key: z.string().min(1).optional().describe("Dotted path"),
      value: z.unknown().optional().describe("For `key`"),
      ...extras(),
    }),
  result: written,
  async run(params, { caller, parts }) {
    const { baseHash: hash, note, sessionKey } = params
    const needsHash = params.raw !== undefined
    const wish = { edit: editOf(params), needsHash, baseHash: hash, note, sessionKey }
    return (await calls()).writeConfigFor(parts, wish, whoIs(caller))
  },
})

function editOf({ config, key, raw, value }: SetParams): ConfigEdit {
  const given = [raw, config, key].filter((one) => one !== undefined)
  if (given.length !== 1)
    throw new PincerError("INVALID_PARAMS", "invalid config.set params: pass one of raw, config, or key with value")
  if (raw !== undefined) return { type: "text", text: raw }
  if (config !== undefined) return { type: "value", value: config }
  if (value === undefined)
    throw new PincerError(
      "INVALID_PARAMS",
      "invalid config.set params: key needs a value; config.unset takes a key out",
    )
  return { type: "set", key: key ?? "", value }
}

const unset = method({
  name: "config.unset",
  summary: "Takes one key out of the file, so that its default counts.",
  scope: "operator.admin",
  limited: "controlWrites",
  params: () => z.object({ key: z.string().min(1).describe("Dotted path"), baseHash: baseHash() }),
  result: written,
  async run({ baseHash: hash, key }, { caller, parts }) {
    const edit: ConfigEdit = { type: "unset", key }
    return (await calls()).writeConfigFor(parts, { edit, needsHash: false, baseHash: hash }, whoIs(caller))
  },
})

const patch = method({
  name: "config.patch",
  summary:
    "Merges an object into the configuration (RFC 7396: null takes a key out, lists are replaced); restarts with `raw` as config.apply.",
  scope: "operator.admin",
  limited: "controlWrites",
  params: () =>
    z.object({
      raw: z.string().optional().describe("The object as JSON5; needs baseHash where a file exists"),
      patch: z.record(z.string(), z.unknown()).optional().describe("The object itself"),
      replacePaths: z.array(z.string()).optional().describe("Accepted; lists are replaced anyway"),
      ...extras(),
    }),
  result: written,
  async run(params, { caller, parts }) {
    const { baseHash: hash, note, raw, restartDelayMs: delayMs, sessionKey } = params
    if ((raw === undefined) === (params.patch === undefined))
      throw new PincerError("INVALID_PARAMS", "invalid config.patch params: pass raw or patch")
    const value = raw === undefined ? params.patch : await parsedPatch(raw)
    const wish = { edit: { type: "patch" as const, patch: value }, needsHash: raw !== undefined }
    const restart = raw === undefined && delayMs === undefined ? {} : { restart: { delayMs } }
    return (await calls()).writeConfigFor(
      parts,
      { ...wish, ...restart, baseHash: hash, note, sessionKey },
      whoIs(caller),
    )
  },
})

async function parsedPatch(raw: string): Promise<unknown> {
  const { default: json5 } = await import("json5")
  try {
    return json5.parse(raw)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new PincerError("INVALID_PARAMS", `invalid config.patch params: raw is not JSON5: ${error.message}`)
  }
}

const apply = method({
  name: "config.apply",
  summary:
    "Replaces the whole file: what can count at once does, and for the rest the gateway starts itself anew, where it can.",
  scope: "operator.admin",
  limited: "controlWrites",
  params: () =>
    z.object({
      raw: z.string().describe("The whole file as JSON, JSONC or JSON5; needs baseHash where a file exists"),
      ...extras(),
    }),
  result: written,
  async run({ baseHash: hash, note, raw, restartDelayMs, sessionKey }, { caller, parts }) {
    const edit: ConfigEdit = { type: "text", text: raw }
    const wish = { edit, needsHash: true, baseHash: hash, note, sessionKey, restart: { delayMs: restartDelayMs } }
    return (await calls()).writeConfigFor(parts, wish, whoIs(caller))
  },
})

const reload = method({
  name: "config.reload",
  summary: "Reads the file anew and puts into force what it says. A file that is refused changes nothing.",
  scope: "operator.admin",
  limited: "controlWrites",
  params: () => z.object({}),
  result: () => z.looseObject({ ok: z.literal(true), changed: paths(), restart: paths(), warnings: paths() }),
  async run(_params, { parts }) {
    return (await calls()).reloadConfig(parts)
  },
})

const check = method({
  name: "config.check",
  summary: "Everything that is wrong with the file, or with a text in its place, and what it would change.",
  scope: "operator.read",
  params: () => z.object({ raw: z.string().optional().describe("Default: the file as it is now") }),
  result: () =>
    z.looseObject({
      ok: z.boolean(),
      valid: z.boolean(),
      path: z.string(),
      exists: z.boolean(),
      issues: z.array(z.unknown()).describe("{path, message, line?, column?}"),
      changed: paths(),
      restart: paths(),
      warnings: paths(),
    }),
  async run({ raw }, { parts }) {
    return (await calls()).checkConfigFor(parts, raw)
  },
})

const diff = method({
  name: "config.diff",
  summary: "Where the file differs from the configuration in force, from the last good one, or from the defaults.",
  scope: "operator.read",
  params: () =>
    z.object({ against: z.enum(["running", "last-good", "defaults"]).optional().describe("Default: running") }),
  result: () =>
    z.looseObject({
      path: z.string(),
      against: z.string(),
      changes: z.array(z.object({ path: z.string(), before: z.unknown(), after: z.unknown() })),
    }),
  async run({ against = "running" }, { parts }) {
    return (await calls()).diffConfig(parts, against)
  },
})

const history = method({
  name: "config.history",
  summary: "What the file said before each change that went through the gateway or the command line, the newest first.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () =>
    z.looseObject({
      versions: z.array(z.object({ number: z.number(), replacedAt: z.number(), hash: z.string() })),
    }),
  async run(_params, { parts }) {
    return (await calls()).configVersions(parts)
  },
})

const undo = method({
  name: "config.undo",
  summary: "Puts back what the file said before a change; undoing that again is the same call.",
  scope: "operator.admin",
  limited: "controlWrites",
  params: () =>
    z.object({ version: z.number().int().min(1).optional().describe("Number in config.history; default 1") }),
  result: written,
  async run({ version = 1 }, { caller, parts }) {
    return (await calls()).undoConfig(parts, version, whoIs(caller))
  },
})

export const configMethods: readonly Method[] = [get, set, unset, patch, apply, reload, check, diff, history, undo]
