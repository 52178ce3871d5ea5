// An agent room on a temporary database with a scripted model and small tools: for tests of lanes, turns and recovery that need
// no wire. The script is asked once per model call and answers with model events; gates hold it where a test wants.
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { z } from "zod"
import { Desk } from "../../src/agent/approvals.ts"
import { TurnLanes } from "../../src/agent/lanes.ts"
import type { Checkpoint, Ports, TurnSettings } from "../../src/agent/ports.ts"
import { buildProfiles } from "../../src/agent/profile.ts"
import type { Rights } from "../../src/agent/rights.ts"
import { systemClock } from "../../src/base/clock.ts"
import { PincerError } from "../../src/base/errors.ts"
import { uuid } from "../../src/base/id.ts"
import { silentLogger } from "../../src/base/log.ts"
import { patternsOnly } from "../../src/base/redact.ts"
import { resolvePermissions } from "../../src/policy/permissions.ts"
import type { TurnEnvelope, TurnEvent } from "../../src/protocol/event.ts"
import { NO_USAGE, type Part } from "../../src/protocol/message.ts"
import { parseSessionKey } from "../../src/protocol/session.ts"
import type { TurnLimits, TurnRequest } from "../../src/protocol/turn.ts"
import type { Catalogue, CatalogueEvent, ModelRef } from "../../src/providers/catalogue.ts"
import type { ModelRequest } from "../../src/providers/provider.ts"
import { openStore } from "../../src/store/open.ts"
import { type Tool, textResult } from "../../src/tools/tool.ts"
import { HOUSE } from "./scene.ts"

export type Script = (
  request: Omit<ModelRequest, "model">,
  signal: AbortSignal,
  call: number,
) => AsyncIterable<CatalogueEvent>

export const USAGE = { ...NO_USAGE, inputTokens: 10, outputTokens: 5, costUsd: 0.01 }

/** A model that says one text. */
export async function* say(text: string, signal?: AbortSignal, gate?: Promise<void>): AsyncGenerator<CatalogueEvent> {
  yield { type: "text.delta", text: text.slice(0, 3) }
  if (gate) {
    const stopped = Promise.withResolvers<void>()
    signal?.addEventListener("abort", () => stopped.resolve(), { once: true })
    await Promise.race([gate, stopped.promise])
  }
  if (signal?.aborted) {
    const received: Part[] = [{ type: "text", text: text.slice(0, 3) }]
    yield { type: "failed", failure: { kind: "aborted", message: "aborted", retryable: false, received } }
    return
  }
  yield { type: "text.delta", text: text.slice(3) }
  yield { type: "done", stop: "stop", content: [{ type: "text", text }], usage: USAGE }
}

/** A model that calls tools. */
export async function* callTools(
  ...calls: { name: string; args: Record<string, unknown> }[]
): AsyncGenerator<CatalogueEvent> {
  const content = calls.map(({ name, args }): Part => ({ type: "tool.call", callId: `c-${uuid()}`, name, args }))
  yield { type: "done", stop: "tool_calls", content, usage: USAGE }
}

export interface AgentRoom {
  home: string
  lanes: TurnLanes
  desk: Desk
  ports: Ports
  events: TurnEnvelope[]
  acts: string[]
  request(text: string, fields?: Partial<TurnRequest>): TurnRequest
  /** Resolves when an event of this kind (of this turn) has been published. */
  seen(type: TurnEvent["type"], turnId?: string): Promise<TurnEnvelope>
  close(): Promise<void>
}

export interface RoomOptions {
  home?: string
  script: Script
  settings?: Partial<TurnSettings>
  limits?: Partial<TurnLimits>
  canAsk?: boolean
  checkpoint?: (point: Checkpoint) => void
  tools?: Tool[]
  rights?: Partial<Rights>
}

export function testTools(acts: string[], hold?: Promise<void>): Tool[] {
  const args = z.object({ text: z.string() }).passthrough()
  const base = { aliases: [], args, title: (a: Record<string, unknown>) => String(a["text"]) }
  const none = { reads: [], writes: [], hosts: [] }
  return [
    {
      ...base,
      name: "Look",
      class: "read",
      effect: "read",
      description: "Looks.",
      touch: async (_, cwd) => ({ ...none, reads: [cwd] }),
      run: async (a) => textResult(`seen ${String(a["text"])}`),
    },
    {
      ...base,
      name: "Act",
      class: "exec",
      effect: "once",
      description: "Acts.",
      touch: async (a) => ({ ...none, command: String(a["text"]) }),
      async run(a, context) {
        acts.push(String(a["text"]))
        if (hold) {
          const stopped = Promise.withResolvers<void>()
          context.signal.addEventListener("abort", () => stopped.resolve(), { once: true })
          await Promise.race([hold, stopped.promise])
        }
        return textResult(`did ${String(a["text"])}`)
      },
    },
    {
      ...base,
      name: "Note",
      class: "control",
      effect: "idempotent",
      description: "Notes.",
      touch: async () => none,
      async run(a, context) {
        context.notes.set("note", a["text"])
        return textResult("noted")
      },
    },
  ]
}

function scriptedCatalogue(script: Script): Catalogue {
  const ref: ModelRef = { provider: "fake", model: "scripted" }
  let calls = 0
  return {
    providers: () => [],
    provider: () => undefined,
    chosen: () => ({ ...ref, why: "test" }),
    resolve: (name) => (name ? { provider: "fake", model: name } : ref),
    models: async () => [],
    info: () => undefined,
    probe: async () => ({ ...ref, status: "ok", latencyMs: 0 }),
    cost: async () => null,
    embed: async () => ({ vectors: [], inputTokens: 0 }),
    async *stream(refs, request, signal) {
      yield { type: "attempt", ref: refs[0]! }
      calls += 1
      yield* script(request, signal, calls)
    },
    fallbacks: (first) => [first],
  }
}

export async function openAgentRoom(options: RoomOptions): Promise<AgentRoom> {
  const home = options.home ?? realpathSync(mkdtempSync(join(tmpdir(), "pincer-agent-")))
  const books = openStore({ path: join(home, "pincer.db"), durability: "normal" }, systemClock, silentLogger)
  const desk = new Desk(books.approvals, systemClock, silentLogger)
  desk.canAsk = () => options.canAsk ?? false
  const events: TurnEnvelope[] = []
  const watchers = new Set<(envelope: TurnEnvelope) => void>()
  const acts: string[] = []
  const limits: TurnLimits = {
    maxModelCalls: 20,
    maxTimeMs: 60_000,
    maxTokens: null,
    maxCostUsd: null,
    ...options.limits,
  }
  const ports: Ports = {
    books,
    catalogue: scriptedCatalogue(options.script),
    tools: options.tools ?? testTools(acts),
    toolSettings: {
      maxOutputChars: 30_000,
      exec: { timeoutMs: 1000, maxTimeoutMs: 1000, shell: "/bin/sh", env: {} },
      fetch: { timeoutMs: 1000, maxBytes: 1000, allowHosts: [] },
      search: { service: "duckduckgo", apiKey: () => undefined },
    },
    agents: buildProfiles({ default: "main", defaults: { limits }, entries: {} }, home),
    home: "/nowhere/.pincer",
    settings: {
      onInterrupt: "resume",
      maxAttempts: 3,
      maxConcurrent: 64,
      maxQueued: 100,
      approvalTimeoutMs: 60_000,
      ...options.settings,
    },
    clock: systemClock,
    log: silentLogger,
    redactor: patternsOnly,
    rights: {
      permissions: ({ request }) =>
        resolvePermissions([
          HOUSE,
          ...(request.permissions ? [{ source: "request", permissions: request.permissions }] : []),
        ]),
      layers: () => [],
      grants: (agentId, sessionKey) => books.grants.inForce(agentId, sessionKey),
      elevation: async () => undefined,
      // No sandbox here: what starts programs asks.
      sandbox: async () => ({
        available: false,
        profile: "workspace",
        workspace: "read-write",
        network: false,
        detail: "no sandbox in this test",
      }),
      confine: () => Promise.reject(new PincerError("UNAVAILABLE", "No sandbox in this test")),
      used: (of) => books.audit.count({ ...of, type: "effect" }),
      audit: async (entry) => void (await books.audit.record(entry)),
      elevatedUse: async () => undefined,
      utcOffsetMinutes: () => 0,
      ...options.rights,
    },
    workspaceMade: () => undefined,
    publish(envelope) {
      events.push(envelope)
      for (const watch of [...watchers]) watch(envelope)
    },
    canAsk: (key) => desk.canAsk(key),
    asked: (approval) => desk.watch(approval),
    checkpoint: options.checkpoint ?? (() => undefined),
  }
  const lanes = new TurnLanes(ports)
  desk.onResolved = (approval) => lanes.settle(approval)
  return {
    home,
    lanes,
    desk,
    ports,
    events,
    acts,
    request: (text, fields) => ({
      turnId: uuid(),
      sessionKey: parseSessionKey("test").key,
      agentId: "main",
      input: [{ type: "text", text }],
      origin: { door: "test" },
      ...fields,
    }),
    seen(type, turnId) {
      const matches = (envelope: TurnEnvelope) =>
        envelope.event.type === type && (!turnId || envelope.turnId === turnId)
      const known = events.find(matches)
      if (known) return Promise.resolve(known)
      return new Promise((resolve) => {
        const watch = (envelope: TurnEnvelope) => {
          if (!matches(envelope)) return
          watchers.delete(watch)
          resolve(envelope)
        }
        watchers.add(watch)
      })
    },
    async close() {
      await lanes.drain(0)
      desk.close()
      await books.close()
      if (options.home === undefined) rmSync(home, { recursive: true, force: true })
    },
  }
}
