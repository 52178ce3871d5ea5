// doctor.run: the checks of `pincer doctor`, made by the gateway itself. It changes nothing.
import { z } from "zod"
import { pathsIn } from "../../config/paths.ts"
import { type Method, type MethodContext, method } from "./method.ts"

const SEVERITY = { ok: "ok", warning: "warning", problem: "error", skipped: "info" } as const

const ids = () => z.array(z.string().min(1).max(100)).max(100).optional()

const run = method({
  name: "doctor.run",
  summary: "Looks for what is wrong with the gateway, its home and its machine; changes nothing.",
  scope: "operator.admin",
  params: () =>
    z.object({
      only: ids().describe("Ids of checks, or the part before the dot"),
      skip: ids(),
      security: z.boolean().optional().describe("Only what concerns safety"),
    }),
  result: () =>
    z.looseObject({
      checks: z.array(
        z.looseObject({
          id: z.string(),
          name: z.string().describe("The same as id"),
          category: z.string(),
          severity: z.enum(["ok", "info", "warning", "error"]),
          message: z.string(),
          fixHint: z.string().optional().describe("The next command to type"),
        }),
      ),
      summary: z.looseObject({ passed: z.number(), failed: z.number(), warnings: z.number() }),
      platform: z.string(),
      pythonVersion: z.null().describe("Always null: the gateway runs on Node"),
    }),
  async run(choice, context) {
    const { examine, summaryOf } = await import("../doctor/examine.ts")
    const given = Object.fromEntries(Object.entries(choice).filter(([, value]) => value !== undefined))
    const found = []
    for await (const one of examine(await roomOf(context), given)) found.push(one)
    const checks = found.map(({ id, category, verdict, text, fix }) => ({
      id,
      name: id,
      category,
      severity: SEVERITY[verdict],
      message: text,
      ...(fix === undefined ? {} : { fixHint: fix }),
    }))
    return {
      ok: found.every(({ verdict }) => verdict !== "problem"),
      checks,
      summary: summaryOf(found),
      platform: process.platform,
      pythonVersion: null,
    }
  },
})

/** The gateway looks at itself: what it asks goes through its own methods, with the caller's rights. */
async function roomOf(context: MethodContext) {
  const { parts } = context
  const { dispatch, methodTable } = await import("../dispatch.ts")
  const { methods } = await import("./index.ts")
  const table = methodTable(methods)
  const ask = async (name: string, params: Record<string, unknown>) => {
    const { caller: own, ...rest } = context
    // The superset objects, whatever the caller speaks.
    const answer: unknown = await dispatch(table, name, params, { ...rest, caller: { ...own, dialect: "claw" } })
    return answer as Record<string, unknown>
  }
  const paths = { home: parts.home, config: parts.configPath, configNamed: false, ...pathsIn(parts.home) }
  const loaded = { config: parts.config, path: parts.configPath, text: parts.configText, warnings: [], paths }
  return {
    env: {},
    paths,
    version: parts.version,
    clock: parts.clock,
    config: { loaded },
    running: undefined,
    inside: true,
    token: parts.token,
    reach: async () => ({ state: "answers" as const, name: "This gateway", tookMs: 0, ask }),
  }
}

export const doctorMethods: readonly Method[] = [run]
