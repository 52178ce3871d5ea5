// `pincer gateway call`: one method by its name, its answer as JSON. Whoever scripts a gateway calls it often, so it loads next to nothing.
import { readFileSync } from "node:fs"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { Cli } from "./cli.ts"
import { reachGateway } from "./connect.ts"
import { millisecondsOf, pointedAt, type TargetFlags } from "./gateway-target.ts"

export interface CallFlags extends TargetFlags {
  params?: string
  expectFinal?: boolean
  stream?: boolean
  json?: boolean
}

const DEFAULT_TIMEOUT = "30000"
const MAX_PARAMS_BYTES = 64 * 1024 * 1024

/** Prints what the method answers. Throws what the gateway refuses, TIMEOUT, UNAVAILABLE. */
export async function callMethod(cli: Cli, method: string, flags: CallFlags): Promise<void> {
  const timeoutMs = millisecondsOf(flags.timeout ?? DEFAULT_TIMEOUT)
  const params = await paramsOf(flags.params, cli.cwd)
  const target = pointedAt(cli, flags)
  const link = await reachGateway(target, { otherwise: "refuse", connectTimeoutMs: timeoutMs })
  try {
    const { client } = link
    if (flags.stream) client.on("*", ({ event, payload }) => line(cli, { type: "event", event, payload }))
    const expectFinal = flags.expectFinal === true || flags.stream === true
    const answer = await client.request(method, params, {
      timeoutMs,
      expectFinal,
      ...(flags.stream ? { onAccepted: (payload: unknown) => line(cli, { type: "accepted", payload }) } : {}),
    })
    if (flags.stream) line(cli, { type: "answer", payload: answer })
    else cli.out.json(answer ?? null)
  } catch (error) {
    throw await nearer(error, method, link.client.hello.features?.["methods"])
  } finally {
    await link.close()
  }
}

/** A slip of the pen is named. Loaded only then. */
async function nearer(error: unknown, method: string, known: unknown): Promise<unknown> {
  if (!(error instanceof PincerError) || error.code !== "METHOD_NOT_FOUND" || !Array.isArray(known)) return error
  const { nearest } = await import("./suggest.ts")
  const near = nearest(method, known.map(String))
  const cure = near === undefined ? "docs/protocol.md lists them all" : `did you mean ${near}?`
  return new PincerError(error.code, `${error.message}: ${cure}`, { cause: error, details: error.details ?? {} })
}

/** One line of JSON, also on a terminal. */
function line(cli: Cli, value: unknown): void {
  cli.out.jsonLine(value)
}

/** What --params says: JSON, "@file" or "-" for standard input. Throws INVALID_PARAMS for what is not an object. */
export async function paramsOf(given: string | undefined, cwd: string): Promise<Record<string, unknown>> {
  if (given === undefined) return {}
  const text = given === "-" ? await standardInput() : given.startsWith("@") ? fileText(given.slice(1), cwd) : given
  const from = given === "-" ? "standard input" : given.startsWith("@") ? given.slice(1) : "what was given"
  try {
    const value: unknown = JSON.parse(text)
    if (isObject(value)) return value
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new PincerError("INVALID_PARAMS", `--params: ${from} is not JSON (${why}): write an object like '{"a": 1}'`, {
      cause: error,
    })
  }
  throw new PincerError("INVALID_PARAMS", `--params: ${from} is not a JSON object: write it like '{"a": 1}'`)
}

function fileText(name: string, cwd: string): string {
  try {
    const text = readFileSync(name.startsWith("/") ? name : `${cwd}/${name}`, "utf8")
    if (text.length <= MAX_PARAMS_BYTES) return text
  } catch (error) {
    throw new PincerError("NOT_FOUND", `--params: the file ${name} cannot be read`, { cause: error })
  }
  throw tooLarge()
}

async function standardInput(): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > MAX_PARAMS_BYTES) throw tooLarge()
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString("utf8")
}

function tooLarge(): PincerError {
  return new PincerError("TOO_LARGE", `--params: more than ${MAX_PARAMS_BYTES} bytes`)
}
