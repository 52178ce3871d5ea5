// Which session of the gateway an ACP session is bound to (OC-SES): what `_meta` says goes before what the program was started with.
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import { type Fields, fieldsOf, textOf } from "./params.ts"
import type { BridgeSettings, GatewayPort } from "./port.ts"

export interface SessionTarget {
  key: string
  /** Its transcript is to be emptied before its first use. */
  reset: boolean
}

interface Wish {
  key: string | undefined
  label: string | undefined
  reset: boolean | undefined
  requireExisting: boolean | undefined
}

function wishOf(params: Fields): Wish {
  const meta = fieldsOf(params["_meta"])
  const text = (...names: string[]) => names.map((name) => textOf(meta[name])).find((value) => value !== undefined)
  const flag = (...names: string[]) =>
    names.map((name) => meta[name]).find((value): value is boolean => typeof value === "boolean")
  return {
    key: text("sessionKey", "session", "key"),
    label: text("sessionLabel", "label"),
    reset: flag("resetSession", "reset"),
    requireExisting: flag("requireExistingSession", "requireExisting"),
  }
}

/** `given`: the session id that the client loads or resumes; absent for a new session. */
export async function targetOf(
  params: Fields,
  given: string | undefined,
  settings: BridgeSettings,
  gateway: GatewayPort,
): Promise<SessionTarget> {
  const wish = wishOf(params)
  const reset = wish.reset ?? (given === undefined ? (settings.resetSession ?? false) : false)
  const mustExist = wish.requireExisting ?? settings.requireExisting ?? false
  if (wish.label !== undefined) return { key: await byLabel(wish.label, gateway), reset }
  if (wish.key !== undefined) return { key: await byKey(wish.key, mustExist, gateway), reset }
  if (given !== undefined) return { key: given, reset }
  if (settings.sessionLabel !== undefined) return { key: await byLabel(settings.sessionLabel, gateway), reset }
  if (settings.session !== undefined) return { key: await byKey(settings.session, mustExist, gateway), reset }
  if (mustExist)
    throw new PincerError(
      "INVALID_PARAMS",
      "--require-existing needs to know which session: name it with --session or --session-label",
    )
  return { key: `agent:${await defaultAgent(gateway)}:acp:${uuid()}`, reset: false }
}

async function byLabel(label: string, gateway: GatewayPort): Promise<string> {
  const found = fieldsOf(await gateway.request("sessions.resolve", { label }))
  return String(found["key"])
}

async function byKey(key: string, mustExist: boolean, gateway: GatewayPort): Promise<string> {
  if (mustExist) {
    const found = fieldsOf(await gateway.request("sessions.resolve", { key }))
    return String(found["key"])
  }
  if (key.startsWith("agent:")) return parseSessionKey(key).key
  return parseSessionKey(key, await defaultAgent(gateway)).key
}

async function defaultAgent(gateway: GatewayPort): Promise<string> {
  return textOf(fieldsOf(await gateway.request("agents.list"))["defaultId"]) ?? "main"
}
