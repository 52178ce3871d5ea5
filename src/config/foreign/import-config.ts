// `config import`: another program's configuration as a patch of ours. What is not valid here is left out and listed, what stands in our
// file already stays unless it is to be overruled. Nothing is ever written into the other program's folder.
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import { changesBetween } from "../changes.ts"
import { checkText } from "../check.ts"
import { parseDocument } from "../document.ts"
import { readConfigFile } from "../load.ts"
import { type Env, expandPath } from "../paths.ts"
import { merged } from "../revise.ts"
import { fromClawGo } from "./clawgo.ts"
import { fromOpenClaw } from "./openclaw.ts"
import { type LeftOut, type Mapped, Transfer } from "./transfer.ts"

export const FOREIGN = ["openclaw", "clawgo", "openclaw-py"] as const
export type Foreign = (typeof FOREIGN)[number]

interface ForeignRow {
  /** Where its file lies, the newest name first. */
  files: readonly string[]
  read(transfer: Transfer): void
}

const ROWS: Readonly<Record<Foreign, ForeignRow>> = {
  openclaw: { files: ["~/.openclaw/openclaw.json", "~/.clawdbot/clawdbot.json"], read: fromOpenClaw },
  clawgo: { files: ["~/.clawgo/config.json"], read: fromClawGo },
  "openclaw-py": {
    files: ["~/.pyclaw/pyclaw.json", "~/.pyclaw/config.json", "~/.openclaw/openclaw.json"],
    read: fromOpenClaw,
  },
}

export interface ImportPlan {
  from: Foreign
  path: string
  /** To be merged into the file. */
  patch: Record<string, unknown>
  mapped: Mapped[]
  left: LeftOut[]
  /** Places that our file says already, and that stay. */
  kept: string[]
}

/** `current`: the text of our file. `path`: default where the program keeps it. Throws NOT_FOUND, INVALID_PARAMS. */
export async function planImport(input: {
  from: Foreign
  path: string | undefined
  env: Env
  cwd: string
  current: string | undefined
  overrule: boolean
}): Promise<ImportPlan> {
  const { env, from } = input
  const path = fileOf(from, input.path, env, input.cwd)
  const source = await parsed(readConfigFile(path)?.text ?? "", path)
  const transfer = new Transfer(source)
  ROWS[from].read(transfer)
  transfer.finish()
  const ours = input.current === undefined ? {} : parseDocument(input.current).value
  const kept = input.overrule ? [] : keepOurs(transfer, ours)
  leaveOutInvalid(transfer, ours)
  const { left, mapped, patch } = transfer
  return { from, path, patch, mapped, left, kept }
}

function fileOf(from: Foreign, given: string | undefined, env: Env, cwd: string): string {
  const candidates = (given === undefined ? ROWS[from].files : [given]).map((file) => expandPath(file, env, cwd))
  const found = candidates.find((file) => readConfigFile(file) !== undefined)
  if (found !== undefined) return found
  throw new PincerError(
    "NOT_FOUND",
    `There is no configuration of ${from} at ${candidates.join(" or ")}: name its file`,
  )
}

async function parsed(text: string, path: string): Promise<Record<string, unknown>> {
  const { default: json5 } = await import("json5")
  try {
    const value: unknown = json5.parse(text)
    if (isObject(value)) return value
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new PincerError("INVALID_PARAMS", `${path} is not JSON5: ${error.message.replace(/^JSON5: /, "")}`)
  }
  throw new PincerError("INVALID_PARAMS", `${path} is not an object {…}`)
}

function keepOurs(transfer: Transfer, ours: unknown): string[] {
  const clash = changesBetween(ours, merged(ours, transfer.patch)).filter((change) => change.before !== undefined)
  return clash.filter(({ path }) => transfer.refuse(path, "your file says it already")).map(({ path }) => path)
}

/** One round for each thing that is wrong; what is wrong with our own file is left to its own check. */
function leaveOutInvalid(transfer: Transfer, ours: unknown): void {
  for (let round = 0; round < 100; round++) {
    const checked = checkText(JSON.stringify(merged(ours, transfer.patch)))
    if (checked.ok) return
    const taken = checked.issues.some((issue) => transfer.refuse(issue.path, issue.message))
    if (!taken) return
  }
}
