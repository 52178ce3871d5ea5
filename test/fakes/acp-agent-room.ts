// A host of external agents for tests, with the fake agent behind it: turns that remember what they heard, and every frame that the host
// sends held against the official schemas.

import assert from "node:assert/strict"
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type AgentHost, type HostPorts, openHost } from "../../src/acp/host/index.ts"
import type { AgentProfile, HostedProfile } from "../../src/agent/agent.ts"
import type { HostedEnd, HostedEvent, HostedTurn } from "../../src/agent/harness.ts"
import { systemClock } from "../../src/base/clock.ts"
import { silentLogger } from "../../src/base/log.ts"
import type { Message } from "../../src/protocol/message.ts"
import type { SessionRow } from "../../src/store/store.ts"
import { type AcpVersion, FrameCheck } from "./acp-schema.ts"
import { fakeProgram } from "./stripped.ts"

export const FAKE_AGENT = fakeProgram("acp-agent")

export interface Heard {
  end: Promise<HostedEnd>
  events: HostedEvent[]
  abort(): void
  turn: HostedTurn
  /** All that it said in words. */
  text(): string
  notices(): string[]
  /** Resolves once an event like this was heard. */
  until(test: (event: HostedEvent) => boolean): Promise<HostedEvent>
}

export interface TurnOptions {
  session?: string
  agent?: Partial<HostedProfile>
  flags?: readonly string[]
  profile?: Partial<AgentProfile>
  row?: Partial<SessionRow>
  turn?: Partial<HostedTurn>
  request?: Partial<HostedTurn["request"]>
  /** Earlier messages of the session. */
  earlier?: readonly Message[]
  cwd?: string
}

export interface HostRoom extends AsyncDisposable {
  host: AgentHost
  folder: string
  /** What was told outside of turns, by session. */
  aside: { key: string; event: HostedEvent }[]
  /** Resolves once something was told aside. */
  toldAside: Promise<void>
  /** Every frame, as "out …" or "in …". */
  frames: string[]
  /** What the host sent of this method. */
  sent(method: string): Record<string, unknown>[]
  start(script: string, options?: TurnOptions): Heard
  run(script: string, options?: TurnOptions): Promise<{ end: HostedEnd; heard: Heard }>
  profile(options?: TurnOptions): AgentProfile
}

export function hostRoom(ports: { [K in keyof HostPorts]?: HostPorts[K] | undefined } = {}): HostRoom {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "acp-host-")))
  const checks = new Map<number, FrameCheck>()
  const problems: unknown[] = []
  const frames: string[] = []
  const aside: HostRoom["aside"] = []
  const toldAside = Promise.withResolvers<void>()
  let version: AcpVersion = 1
  const memories = new Map<string, unknown>()
  let turns = 0
  const tap: HostPorts["tap"] = ({ direction, pid, text }) => {
    frames.push(`${direction} ${text.slice(0, 5_000)}`)
    const check = checks.get(pid) ?? new FrameCheck(version)
    checks.set(pid, check)
    try {
      check.take(direction === "out" ? "client" : "agent", text)
    } catch (error) {
      if (direction === "out") problems.push(error)
    }
  }
  const told: HostPorts = {
    clock: systemClock,
    log: silentLogger,
    version: "0.0.0-test",
    env: process.env,
    launch: async (program) => ({ ...program, close: async () => undefined }),
    known: () => undefined,
    find: async (agent) => agent.command,
    aside: (key, event) => {
      aside.push({ key, event })
      toldAside.resolve()
    },
    tap,
    ...ports,
  }
  if (ports.aside === undefined && "aside" in ports) delete told.aside
  const host = openHost(told)

  const profile = ({ agent, flags = [], profile: more }: TurnOptions = {}): AgentProfile => ({
    ...{ id: "fake", name: "Fake", model: undefined, fallbacks: [], workspace: folder, systemPrompt: undefined },
    ...{ tools: undefined, sampling: {} },
    limits: { maxModelCalls: 50, maxTimeMs: 60_000, maxTokens: null, maxCostUsd: null },
    hosted: {
      command: [process.execPath, FAKE_AGENT, ...flags],
      env: () => ({}),
      protocol: 1,
      confined: false,
      idleMs: 0,
      credential: () => undefined,
      mcpServers: [],
      ...agent,
    },
    ...more,
  })

  const start = (script: string, options: TurnOptions = {}): Heard => {
    const made = profile(options)
    version = made.hosted?.protocol ?? 1
    const key = `agent:fake:${options.session ?? "one"}`
    const stop = new AbortController()
    const events: HostedEvent[] = []
    const watchers = new Set<() => void>()
    turns += 1
    const turnId = options.request?.turnId ?? `turn-${turns}`
    const input: Message = message("user", script, turnId)
    const turn: HostedTurn = {
      request: {
        ...{ turnId, sessionKey: key, agentId: "fake", input: input.content, origin: { door: "test" } },
        ...options.request,
      },
      session: rowOf(key, options.row),
      profile: made,
      cwd: options.cwd ?? folder,
      messages: [...(options.earlier ?? []), input],
      signal: stop.signal,
      memory: {
        get: () => memories.get(key),
        set: async (value) => void memories.set(key, structuredClone(value)),
      },
      authPolicy: "skip",
      hear(event) {
        events.push(event)
        for (const look of watchers) look()
        return undefined
      },
      leave: async () => ({ type: "allowed", always: false }),
      readText: async (path) => `text of ${path}`,
      writeText: async () => undefined,
      openTerminal: async () => {
        throw new TypeError("no terminals here")
      },
      ask: async () => ({ type: "declined" }),
      ...options.turn,
    }
    const until = (test: (event: HostedEvent) => boolean) =>
      new Promise<HostedEvent>((resolve) => {
        const look = () => {
          const found = events.find(test)
          if (!found) return
          watchers.delete(look)
          resolve(found)
        }
        watchers.add(look)
        look()
      })
    return {
      end: host.run(turn),
      events,
      turn,
      until,
      abort: () => stop.abort(),
      text: () => events.map((one) => (one.type === "text" && one.of === "answer" ? one.text : "")).join(""),
      notices: () => events.flatMap((one) => (one.type === "notice" ? [one.code] : [])),
    }
  }

  return {
    ...{ host, folder, aside, frames, start, profile, toldAside: toldAside.promise },
    sent: (method) =>
      frames.flatMap((frame) => {
        if (!frame.startsWith("out ") || !frame.includes(`"method":"${method}"`)) return []
        return [(JSON.parse(frame.slice(4)) as { params: Record<string, unknown> }).params]
      }),
    async run(script, options) {
      const heard = start(script, options)
      return { end: await heard.end, heard }
    },
    async [Symbol.asyncDispose]() {
      await host.close()
      rmSync(folder, { recursive: true, force: true })
      assert.deepEqual(problems, [], "every frame that is sent fits the schema")
    },
  }
}

export function message(role: Message["role"], text: string, turnId?: string): Message {
  const id = `${role}-${turnId ?? ""}-${text.length}`
  return { id, role, content: [{ type: "text", text }], at: 0, ...(turnId === undefined ? {} : { turnId }) }
}

function rowOf(key: string, more: Partial<SessionRow> = {}): SessionRow {
  return {
    ...{ key, id: `row of ${key}`, agentId: "fake", label: null, name: null, tags: [], archivedAt: null, cwd: null },
    ...{
      model: null,
      settings: {},
      createdAt: 0,
      updatedAt: 0,
      lastSeq: 0,
      messageCount: 0,
      title: null,
      toldTitle: null,
    },
    usage: {
      ...{ inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
      costUsd: null,
    },
    abortedLastTurn: false,
    ...more,
  }
}

/** Whether a process runs; one that has ended and was not collected does not. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  return true
}
