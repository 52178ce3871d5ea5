// Plays cases of the conformance set with a program and says what came of each call, without what may differ: wording, tokens, run ids.
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type { Call, Case } from "../conformance/lobster/case.ts"
import { PROGRAM } from "../program.ts"

/** How a program is started; the words of the case follow. */
export interface Program {
  name: string
  command: readonly string[]
  /** Its own settings, for a folder of its own. */
  env(folder: string): Record<string, string>
}

export interface Answer {
  code: number | null
  /** Of tool mode. */
  envelope?: Record<string, unknown>
  /** Of everything else; absent where only the wording counts. */
  text?: string
}

const CALL_MS = 60_000

export const ours: Program = {
  name: "pincer lobster",
  command: [process.execPath, PROGRAM, "lobster", "--unsandboxed"],
  env: (folder) => ({ PINCER_HOME: join(folder, "home"), PINCER_DIST: process.env["PINCER_DIST"] ?? "" }),
}

export function published(entry: string): Program {
  return {
    name: "lobster",
    command: [process.execPath, entry],
    env: (folder) => ({ LOBSTER_STATE_DIR: join(folder, "state"), LOBSTER_CACHE_DIR: join(folder, "cache") }),
  }
}

/** Every call of the case, in a new folder. */
export async function play(program: Program, { calls, files = {} }: Case): Promise<Answer[]> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "pincer-conformance-")))
  const cwd = join(folder, "work")
  try {
    mkdirSync(cwd)
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(cwd, name)), { recursive: true })
      writeFileSync(join(cwd, name), text)
    }
    const answers: Answer[] = []
    let told: { token: string; id: string } = { token: "none", id: "none" }
    for (const call of calls) {
      const argv = call.argv.map((word) => word.replace("{token}", told.token).replace("{id}", told.id))
      const ran = await start(program, argv, call, folder, cwd)
      told = waysOf(ran.stdout) ?? told
      answers.push(answerOf(argv, ran))
    }
    return answers
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Ran {
  code: number | null
  stdout: string
}

function start(program: Program, argv: readonly string[], call: Call, folder: string, cwd: string): Promise<Ran> {
  const [file = "", ...own] = program.command
  const plain = { PATH: process.env["PATH"] ?? "", HOME: folder, LANG: "C.UTF-8", TZ: "UTC" }
  const env = { ...plain, ...program.env(folder), ...call.env }
  return new Promise((resolve, reject) => {
    const child = spawn(file, [...own, ...argv], { cwd, env, stdio: ["ignore", "pipe", "ignore"], timeout: CALL_MS })
    let stdout = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
    })
    child.once("error", reject)
    child.once("close", (code) => resolve({ code, stdout }))
  })
}

function answerOf(argv: readonly string[], { code, stdout }: Ran): Answer {
  const [verb] = argv
  if (verb === undefined || argv.includes("help") || argv.includes("--help")) return { code }
  if (verb === "version" || verb === "--version")
    return { code, text: /^v?\d+\.\d+\.\d+/.test(stdout) ? "a version" : stdout }
  const value = jsonOf(stdout)
  if (isObject(value) && value["protocolVersion"] === 1) return { code, envelope: plainEnvelope(value) }
  if (value !== undefined) return { code, text: JSON.stringify(withoutWays(value)) }
  return { code, text: stdout }
}

/** Fields of Lobster's, without words and tokens. */
function plainEnvelope(envelope: Record<string, unknown>): Record<string, unknown> {
  const { error, ok, output, requiresApproval, requiresInput, status } = envelope
  if (isObject(error)) return { ok, error: error["type"] }
  const shown = Array.isArray(output) ? output.map(withoutVersion) : output
  return {
    ok,
    status,
    output: shown,
    requiresApproval: withoutWays(requiresApproval),
    requiresInput: withoutWays(requiresInput),
  }
}

/** What a doctor says names the program's own version and remarks. */
function withoutVersion(item: unknown): unknown {
  if (!isObject(item) || item["toolMode"] !== true) return item
  const { notes: _, version: _own, ...rest } = item
  return rest
}

function withoutWays(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutWays)
  if (!isObject(value)) return value
  const rest = Object.entries(value).filter(([key]) => key !== "resumeToken" && key !== "approvalId")
  return Object.fromEntries(
    rest.map(([key, one]) => [key, key === "responseSchema" ? withoutWords(one) : kept(key, one)]),
  )
}

function kept(key: string, one: unknown): unknown {
  return key.startsWith("requires") ? withoutWays(one) : one
}

/** Descriptions are each program's own. */
function withoutWords(schema: unknown): unknown {
  if (!isObject(schema)) return schema
  const { description: _, ...rest } = schema
  return Object.fromEntries(Object.entries(rest).map(([key, one]) => [key, withoutWords(one)]))
}

function waysOf(stdout: string): { token: string; id: string } | undefined {
  const value = jsonOf(stdout)
  if (!isObject(value)) return undefined
  const gate = value["requiresApproval"] ?? value["requiresInput"]
  if (!isObject(gate)) return undefined
  return { token: String(gate["resumeToken"]), id: String(gate["approvalId"]) }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Text for people.
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** Runs `act` on each, a few at a time; results in the order of the items. */
export async function eachOf<T, R>(items: readonly T[], atOnce: number, act: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const work = async () => {
    for (let at = next++; at < items.length; at = next++) results[at] = await act(items[at]!)
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return results
}
