// What a service of the system is to run, and under which name. The plan stands in the unit itself, in a remark, so that it can be told
// later whether the unit is still what would be written today. It holds no secret, and neither does the command line made from it.
import { createHash } from "node:crypto"
import { basename, join } from "node:path"
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"

export type ServiceScope = "user" | "system"

export interface ServicePlan {
  scope: ServiceScope
  /** What tells this gateway's service from those of other homes: "" for ~/.pincer. */
  suffix: string
  /** All paths absolute. */
  home: string
  config?: string
  host?: string
  port?: string
  /** Node, and the program it runs. */
  node: string
  program: string
  /** PATH of the gateway: what its commands find. */
  path: string
  userHome: string
  /** System services only: as whom it runs. */
  user?: string
}

const MARK = "pincer-plan:"

/** The words that start the gateway. */
export function serviceCommand(plan: ServicePlan): string[] {
  const words = [plan.node, plan.program, "gateway", "run", "--quiet", "--home", plan.home]
  if (plan.config !== undefined) words.push("--config", plan.config)
  if (plan.host !== undefined) words.push("--host", plan.host)
  if (plan.port !== undefined) words.push("--port", plan.port)
  return words
}

/** "" for the usual home, the profile's name for a profile's, else a short hash of the path. Whoever asks gets the same one. */
export function suffixOf(home: string): string {
  const name = basename(home)
  if (name === ".pincer") return ""
  const profile = /^\.pincer-([a-z0-9][a-z0-9_-]{0,63})$/i.exec(name)?.[1]
  return profile ?? `home-${createHash("sha256").update(home).digest("hex").slice(0, 8)}`
}

export function described(plan: Pick<ServicePlan, "suffix">): string {
  return plan.suffix === "" ? "Pincer gateway" : `Pincer gateway (${plan.suffix})`
}

/** Where secrets that the configuration takes from the environment may stand; read by systemd when it is there. */
export function environmentFile(home: string): string {
  return join(home, "service.env")
}

/** The plan as one line for a remark. No "--" in it, which would end a remark in XML. */
export function planLine(plan: ServicePlan): string {
  // Always in one order, so that a plan that was read makes the same line again.
  const ordered = Object.fromEntries(Object.entries(plan).sort(([a], [b]) => (a < b ? -1 : 1)))
  return `${MARK} ${JSON.stringify(ordered).replaceAll("-", "\\u002d").replaceAll(">", "\\u003e")}`
}

/** The plan that a unit was written from; undefined when it is not one of ours. */
export function planIn(text: string): ServicePlan | undefined {
  const line = new RegExp(`${MARK} (\\{.*\\})`).exec(text)?.[1]
  if (line === undefined) return undefined
  try {
    return decode(JSON.parse(line))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function decode(value: unknown): ServicePlan | undefined {
  if (!isObject(value)) return undefined
  const { scope, suffix, home, config, host, port, node, program, path, userHome, user } = value
  if (scope !== "user" && scope !== "system") return undefined
  const texts = [suffix, home, node, program, path, userHome]
  if (!texts.every((one) => typeof one === "string")) return undefined
  const given = Object.entries({ config, host, port, user }).filter((entry) => typeof entry[1] === "string")
  return { scope, suffix, home, node, program, path, userHome, ...Object.fromEntries(given) } as ServicePlan
}

/** Throws INVALID_PARAMS for what no unit can hold. */
export function checkPlan(plan: ServicePlan): void {
  for (const [name, value] of Object.entries(plan))
    if (/[\u0000-\u001f\u007f]/.test(value))
      throw new PincerError("INVALID_PARAMS", `A service cannot be made: ${name} holds a control character`)
  if (plan.suffix.length > 64) throw new PincerError("INVALID_PARAMS", `The name "${plan.suffix}" is too long`)
}
