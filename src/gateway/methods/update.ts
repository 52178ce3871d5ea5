// update.*: whether there is a newer version. A gateway never replaces itself; what to type stands in the answer.
import { z } from "zod"
import { type Method, method } from "./method.ts"

const answer = () =>
  z.looseObject({
    currentVersion: z.string(),
    latestVersion: z.string().nullable(),
    updateAvailable: z.boolean(),
    checkedAt: z.number().nullable().describe("ms since 1970"),
    note: z.string(),
    command: z.string().nullable().describe("What to type to get it"),
  })

const check = method({
  name: "update.check",
  summary: "Whether the package registry has a newer version; asked at most once a day unless `fresh`.",
  scope: "operator.read",
  params: () => z.object({ fresh: z.boolean().optional().describe("Ask again even if the last answer still counts") }),
  result: answer,
  async run({ fresh = false }, { parts }) {
    const { checkUpdate } = await import("../update-check.ts")
    const { config, home, version, clock } = parts
    return checkUpdate({ settings: config.update, home, version, now: () => clock.now() }, { fresh })
  },
})

const status = method({
  name: "update.status",
  summary: "The same, in the words of the original gateway.",
  scope: "operator.admin",
  params: () => z.object({ refreshCheckout: z.boolean().optional().describe("Ask again") }),
  result: () =>
    z.looseObject({
      sentinel: z.null().describe("Always null: no update runs inside the gateway"),
      updateAvailable: z
        .object({ currentVersion: z.string(), latestVersion: z.string(), channel: z.string() })
        .nullable(),
      effectiveChannel: z.string(),
    }),
  async run({ refreshCheckout = false }, { parts }) {
    const { checkUpdate } = await import("../update-check.ts")
    const { config, home, version, clock } = parts
    const room = { settings: config.update, home, version, now: () => clock.now() }
    const found = await checkUpdate(room, { fresh: refreshCheckout })
    const { currentVersion, latestVersion, updateAvailable, ...rest } = found
    const newer = updateAvailable && latestVersion !== null
    return {
      ...rest,
      currentVersion,
      latestVersion,
      sentinel: null,
      updateAvailable: newer ? { currentVersion, latestVersion, channel: "latest" } : null,
      effectiveChannel: "stable",
    }
  },
})

export const updateMethods: readonly Method[] = [check, status]
