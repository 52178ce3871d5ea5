// Elevated mode from the command line: the words for it in flags, in /elevated and in the prompt.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { GatewayClient } from "../protocol/client.ts"
import { ELEVATED_LEVELS, type ElevatedLevel } from "../protocol/permission.ts"
import { duration } from "./status.ts"

export interface ElevatedNow {
  level: ElevatedLevel
  /** Left of it, ms. */
  leftMs: number
}

/** Throws INVALID_PARAMS. */
export function elevatedLevel(text: string, what: string): ElevatedLevel {
  const level = ELEVATED_LEVELS.find((one) => one === text)
  if (level) return level
  throw new PincerError("INVALID_PARAMS", `${what}: "${text}" is not one of ${ELEVATED_LEVELS.join(", ")}`)
}

export type SessionAddress = { sessionKey: string; agentId?: string }

export async function readElevated(client: GatewayClient, address: SessionAddress): Promise<ElevatedNow> {
  return nowOf(await client.request("elevated.get", address))
}

function nowOf(answer: unknown): ElevatedNow {
  const fields = isObject(answer) ? answer : {}
  const level = ELEVATED_LEVELS.find((one) => one === fields["level"]) ?? "off"
  const { expiresAtMs, serverTimeMs } = fields
  const known = typeof expiresAtMs === "number" && typeof serverTimeMs === "number"
  return { level, leftMs: known ? Math.max(0, expiresAtMs - serverTimeMs) : 0 }
}

/** Sets the level and says in one sentence what came of it. */
export async function setElevated(
  client: GatewayClient,
  address: SessionAddress,
  wish: { level: ElevatedLevel; durationMs?: number },
): Promise<string> {
  const answer: unknown = await client.request("elevated.set", { ...address, ...wish })
  const fields = isObject(answer) ? answer : {}
  if (fields["status"] === "asked")
    return `You may not grant this: somebody who may is asked (approval ${String(fields["approvalId"])}). Until then nothing changes.`
  return wordsOf(await readElevated(client, address))
}

/** What it means now, in one sentence. */
export function wordsOf({ level, leftMs }: ElevatedNow): string {
  switch (level) {
    case "off":
      return "Elevated mode is off: commands run in the sandbox."
    case "on":
    case "ask":
      return `Elevated mode "${level}" for ${duration(leftMs)}: commands may run outside the sandbox, each after a question.`
    case "full":
      return `Elevated mode "full" for ${duration(leftMs)}: commands run outside the sandbox without a question.`
  }
}

/** "full 30", "off", "": a level and minutes, as they stand after /elevated and --elevated. Throws INVALID_PARAMS. */
export function parseElevated(text: string, what: string): { level: ElevatedLevel; durationMs?: number } {
  const [word = "", minutes, ...more] = text.trim().split(/[\s:]+/)
  const level = elevatedLevel(word, what)
  if (minutes === undefined) return { level }
  const count = Number(minutes)
  if (more.length > 0 || !/^\d{1,5}$/.test(minutes) || count < 1)
    throw new PincerError("INVALID_PARAMS", `${what}: write a level and whole minutes, like "ask 30"`)
  return { level, durationMs: count * 60_000 }
}
