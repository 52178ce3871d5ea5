// config.get: the configuration as it may be shown. Every secret is replaced before anything leaves this file.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { Parts } from "../parts.ts"
import { type Method, method } from "./method.ts"

const get = method({
  name: "config.get",
  summary: "The configuration with its secrets replaced, or the value at one key.",
  scope: "operator.read",
  params: () => z.object({ key: z.string().min(1).optional().describe("Dotted path, for example gateway.port") }),
  result: () =>
    z.looseObject({
      path: z.string(),
      exists: z.boolean(),
      raw: z.string().nullable().describe("Text of the file, secrets replaced"),
      parsed: z.unknown().describe("What the file says"),
      valid: z.boolean(),
      config: z.unknown().describe("With defaults filled in"),
      hash: z.string().describe("SHA-256 of the file, hex"),
      issues: z.array(z.unknown()),
      value: z.unknown().describe("What stands at `key`; without a key the whole configuration"),
    }),
  async run(params, { parts }) {
    const config = await shownConfig(parts)
    const { getPath } = await import("../../config/edit.ts")
    const value = params.key === undefined ? config : getPath(config, params.key)
    if (value === undefined)
      throw new PincerError(
        "NOT_FOUND",
        `The configuration has no key "${params.key}": run "pincer config get" to see all`,
      )
    return { ...(await fileSnapshot(parts)), config, value }
  },
})

async function shownConfig(parts: Parts): Promise<unknown> {
  const { redact } = await import("../../config/redact.ts")
  return redact(parts.config)
}

/** The file as it was read when the gateway started. */
async function fileSnapshot({ configPath: path, configText: text }: Parts) {
  const base = { path, exists: text !== undefined, valid: true, issues: [], warnings: [], legacyIssues: [] }
  const { hashOf } = await import("../../config/edit.ts")
  const hash = hashOf(text)
  if (text === undefined) return { ...base, raw: null, parsed: {}, hash }
  const [{ redact, redactText }, { parseDocument }] = await Promise.all([
    import("../../config/redact.ts"),
    import("../../config/document.ts"),
  ])
  return { ...base, raw: redactText(text), parsed: redact(parseDocument(text).value), hash }
}

export const configMethods: readonly Method[] = [get]
