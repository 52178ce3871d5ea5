// "/status run [id]" and "/status wait [id] [seconds]": how the turns of this conversation stand. An id may be the beginning of one;
// "latest", or none, is the newest.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { GatewayClient } from "../protocol/client.ts"
import type { SessionAddress } from "./elevated.ts"
import { inertLine } from "./inert.ts"
import type { Screen } from "./screen.ts"
import { duration } from "./status.ts"

export const STATUS_USAGE = '"/status", "/status run [id|latest]" or "/status wait [id|latest] [seconds]"'
const WAIT_SECONDS = 60
const MAX_WAIT_SECONDS = 900
/** Longer ones are waited for in several requests. */
const ONE_WAIT_MS = 300_000

type Fields = Record<string, unknown>

interface Place {
  client: GatewayClient
  out: Screen
}

export async function turnStatus({ client, out }: Place, address: SessionAddress, words: string): Promise<void> {
  const [verb, id = "latest", given, ...more] = words.split(/\s+/)
  const isNumber = /^\d+$/.test(id) && given === undefined && id.length < 5
  const seconds = secondsOf(verb === "wait" ? (isNumber ? id : given) : undefined)
  if ((verb !== "run" && verb !== "wait") || more.length > 0 || (verb === "run" && given !== undefined) || !seconds)
    throw new PincerError("INVALID_PARAMS", `"/status ${words}" is not understood: write ${STATUS_USAGE}`)
  const turn = await find(client, address, verb === "wait" && isNumber ? "latest" : id)
  if (verb === "wait" && turn["endedAt"] === null) {
    const ended = await waitFor(client, String(turn["runId"]), seconds * 1000)
    if (!ended) out.line(`It still runs after ${seconds} s.`)
  }
  show(out, await find(client, address, String(turn["runId"])))
}

function secondsOf(word: string | undefined): number | undefined {
  if (word === undefined) return WAIT_SECONDS
  const seconds = /^\d{1,4}$/.test(word) ? Number(word) : 0
  return seconds > 0 ? Math.min(seconds, MAX_WAIT_SECONDS) : undefined
}

async function find(client: GatewayClient, address: SessionAddress, id: string): Promise<Fields> {
  const answer: unknown = await client.request("turn.list", { ...address, limit: 200 })
  const turns = isObject(answer) && Array.isArray(answer["turns"]) ? answer["turns"].filter(isObject) : []
  const found = id === "latest" ? turns[0] : turns.find((turn) => String(turn["runId"]).startsWith(id))
  if (found) return found
  throw new PincerError("NOT_FOUND", `No turn of this session is "${id}": see /status run latest`)
}

/** False when the time is over first. */
async function waitFor(client: GatewayClient, runId: string, ms: number): Promise<boolean> {
  for (let left = ms; left > 0; left -= ONE_WAIT_MS) {
    const timeoutMs = Math.min(left, ONE_WAIT_MS)
    const answer: unknown = await client.request("agent.wait", { runId, timeoutMs }, { timeoutMs: timeoutMs + 10_000 })
    if (isObject(answer) && answer["endedAt"] !== null && answer["endedAt"] !== undefined) return true
  }
  return false
}

function show(out: Screen, turn: Fields): void {
  const time = (name: string) => (typeof turn[name] === "number" ? new Date(turn[name]).toLocaleString() : "not yet")
  const [from, to] = [turn["startedAt"], turn["endedAt"]]
  const took = typeof from === "number" ? duration((typeof to === "number" ? to : Date.now()) - from) : undefined
  out.facts([
    ["Turn", inertLine(String(turn["runId"]))],
    ["Status", inertLine(String(turn["status"]))],
    ["Accepted", `${time("acceptedAt")}, by ${inertLine(String(turn["door"]))}`],
    ["Started", time("startedAt")],
    ["Ended", time("endedAt")],
    ...(took === undefined ? [] : ([[to === null ? "So far" : "Took", took]] satisfies [string, string][])),
    ["Answer", `${String(turn["textLength"])} characters`],
    ...(turn["error"] === null ? [] : ([["Error", inertLine(String(turn["error"]))]] satisfies [string, string][])),
  ])
}
