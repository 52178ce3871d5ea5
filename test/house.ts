// A whole gateway on a temporary home, for tests that speak the real protocols to it. Nothing of the machine's own environment
// reaches it: no keys, no proxies, no other home.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Gateway, type GatewayOptions, openGateway } from "../src/gateway/compose.ts"
import type { Parts } from "../src/gateway/parts.ts"
import { requireFitting, watchProtocol } from "./witness.ts"

export interface HouseOptions {
  /** What pincer.json says; port 0 and no discovery are added. */
  config?: Record<string, unknown>
  /** URL of a fake model service: becomes provider "fake" (OpenAI chat wire) with model "test-model", and the default agent's model. */
  fake?: string
  /** A home that is already there (a restart). */
  home?: string
  env?: Record<string, string>
  checkpoint?: GatewayOptions["checkpoint"]
}

export interface House {
  gateway: Gateway
  parts: Parts
  home: string
  /** An empty folder to work in. */
  work: string
  /** "http://127.0.0.1:port" */
  url: string
  /** "ws://127.0.0.1:port" */
  wsUrl: string
  token: string
  /** Stops the gateway and keeps the home. */
  stop(): Promise<void>
  /** Stops the gateway and removes the home. */
  close(): Promise<void>
}

/** For tests about asking: without a sandbox every command asks, on whatever machine the tests run. */
export const NO_SANDBOX = { sandbox: { bwrap: "/nonexistent/bwrap" } }

export const TEST_TOKEN = "test-token-0123456789abcdef0123456789"

export function houseConfig(options: Pick<HouseOptions, "config" | "fake">): Record<string, unknown> {
  const { config = {}, fake } = options
  const gateway = { port: 0, drainMs: 200, ...(config["gateway"] as object | undefined) }
  const models = { discover: false, ...(config["models"] as object | undefined) }
  if (!fake) return { ...config, gateway, models }
  const given = config["agents"] as { defaults?: object } | undefined
  return {
    ...config,
    gateway,
    models,
    agents: { ...given, defaults: { model: "fake/test-model", ...given?.defaults } },
    providers: {
      fake: { wire: "openai-chat", baseUrl: `${fake}/v1`, apiKey: "fake-key", models: ["test-model"] },
      ...(config["providers"] as object | undefined),
    },
  }
}

/** A home with its configuration written, and a folder to work in. */
export function makeHome(options: Pick<HouseOptions, "config" | "fake">): { home: string; work: string } {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pincer-house-")))
  const work = join(home, "work")
  mkdirSync(work)
  writeFileSync(join(home, "pincer.json"), JSON.stringify(houseConfig(options), null, 2), { mode: 0o600 })
  return { home, work }
}

export async function startHouse(options: HouseOptions = {}): Promise<House> {
  const made = options.home === undefined ? makeHome(options) : { home: options.home, work: join(options.home, "work") }
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: made.home,
    PINCER_HOME: made.home,
    PINCER_GATEWAY_TOKEN: TEST_TOKEN,
    ...options.env,
  }
  watchProtocol()
  const gateway = await openGateway({ env, ...(options.checkpoint ? { checkpoint: options.checkpoint } : {}) })
  let open = true
  const stop = async () => {
    if (open) await gateway.close(0)
    open = false
  }
  return {
    gateway,
    parts: gateway.parts,
    home: made.home,
    work: made.work,
    url: gateway.url,
    wsUrl: gateway.url.replace(/^http/, "ws"),
    token: TEST_TOKEN,
    stop,
    async close() {
      await stop()
      rmSync(made.home, { recursive: true, force: true })
      requireFitting()
    },
  }
}
