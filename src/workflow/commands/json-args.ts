// Arguments of commands that hold JSON.
import { PincerError } from "../../base/errors.ts"
import type { StageArgs } from "../command.ts"
import { textArg } from "./items.ts"

/** Undefined when it is absent. Throws INVALID_PARAMS for what is no JSON. */
export function jsonArg(args: StageArgs, name: string, command: string): unknown {
  const text = textArg(args, name)
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new PincerError("INVALID_PARAMS", `${command} --${name} must be valid JSON`, { cause: error })
  }
}

/** Undefined when it is absent. Throws INVALID_PARAMS for what is no number. */
export function numberArg(args: StageArgs, name: string, command: string): number | undefined {
  const text = textArg(args, name)
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== "" && Number.isFinite(value)) return value
  throw new PincerError("INVALID_PARAMS", `${command} --${name} must be a number, not "${text}"`)
}
