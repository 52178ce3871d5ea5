// `pincer status --deep`: what is asked of the gateway beyond its own facts: whether the model answers, whether commands can be confined,
// whether there is room on its disk.
import { asPincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { GatewayClient } from "../protocol/client.ts"
import type { OwnProblem } from "./own-gateway.ts"
import { bytes } from "./status.ts"

export interface Deeper {
  json: Record<string, unknown>
  facts: [string, string][]
  problems: OwnProblem[]
}

const PROBE_MS = 20_000
const LOW_DISK = 1_000_000_000

export async function lookDeeper(client: GatewayClient, gateway: Record<string, unknown>): Promise<Deeper> {
  const looks = await Promise.all([modelAnswers(client, gateway["model"]), disk(client)])
  return {
    // Whether commands can be confined is looked at by the gateway itself.
    json: Object.assign({ sandbox: gateway["sandbox"] ?? null }, ...looks.map((one) => one.json)),
    facts: looks.flatMap((one) => one.facts),
    problems: looks.flatMap((one) => one.problems),
  }
}

async function modelAnswers(client: GatewayClient, model: unknown): Promise<Deeper> {
  const { provider, model: id } = isObject(model) ? model : {}
  const name = `${String(provider)}/${String(id)}`
  const wrong = (why: string): Deeper => ({
    json: { model: { name, reachable: false, error: why } },
    facts: [["Model service", `${name} does not answer`]],
    problems: [{ text: `${name} does not answer: ${why}`, fix: "pincer models list" }],
  })
  try {
    const params = { provider, model: id, timeoutMs: PROBE_MS }
    const probe: unknown = await client.request("models.probe", params, { timeoutMs: PROBE_MS + 5_000 })
    if (!isObject(probe)) return wrong("its answer is not understood")
    const { available, latencyMs, error, status } = probe
    if (available !== true) return wrong(String(error ?? status))
    return {
      json: { model: { name, reachable: true, latencyMs } },
      facts: [["Model service", `${name} answered in ${Math.round(Number(latencyMs))} ms`]],
      problems: [],
    }
  } catch (error) {
    return wrong(asPincerError(error).message)
  }
}

async function disk(client: GatewayClient): Promise<Deeper> {
  const info: unknown = await client.request("system.info")
  const found = isObject(info) && isObject(info["disk"]) ? info["disk"] : undefined
  if (!found) return { json: { disk: null }, facts: [], problems: [] }
  const { path, availableBytes } = found
  const free = Number(availableBytes)
  const problem = {
    text: `Only ${bytes(free)} are free at ${String(path)}.`,
    fix: `du -xh --max-depth=2 ${String(path)}`,
  }
  return {
    json: { disk: found },
    facts: [["Disk", `${bytes(free)} free at ${String(path)}`]],
    problems: free < LOW_DISK ? [problem] : [],
  }
}
