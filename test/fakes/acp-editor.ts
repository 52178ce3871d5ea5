// An editor for tests: the official SDK's client against a bridge, with everything that goes over the wire kept and held against the
// schema. What it lends (files, terminals, answers) is scripted by the test.
import assert from "node:assert/strict"
import { type ClientConnection, client, ndJsonStream, type SessionUpdate } from "@agentclientprotocol/sdk"
import { Bridge } from "../../src/acp/bridge/bridge.ts"
import type { BridgeSettings, GatewayPort } from "../../src/acp/bridge/port.ts"
import { systemClock } from "../../src/base/clock.ts"
import { silentLogger } from "../../src/base/log.ts"
import { connectGateway, type GatewayClient } from "../../src/protocol/client.ts"
import type { House } from "../house.ts"
import { FrameCheck } from "./acp-schema.ts"

type Fields = Record<string, unknown>

export interface Frame {
  from: "client" | "agent"
  message: Fields
}

export interface Editor {
  connection: ClientConnection
  frames: Frame[]
  /** Updates as they were on the wire. */
  updates: { sessionId: string; update: SessionUpdate }[]
  request(method: string, params: Fields): Promise<Fields>
  notify(method: string, params: Fields): Promise<void>
  /** Resolves with the first frame of the agent that fits, come or still to come. */
  until(test: (message: Fields) => boolean): Promise<Fields>
  /** Updates of one kind. */
  of(kind: SessionUpdate["sessionUpdate"]): Fields[]
  /** The agent's words so far. */
  text(): string
  raw(text: string): void
  gateway: GatewayClient
  bridge: Bridge
  close(): Promise<void>
}

export interface EditorOptions {
  capabilities?: Fields
  settings?: Partial<BridgeSettings>
  /** Serves what the agent asks of the client. */
  serve?: (method: string, params: Fields) => unknown
  protocolVersion?: number
  /** Another gateway than the house's own. */
  port?: GatewayPort
}

const encoder = new TextEncoder()

export async function openEditor(house: House, options: EditorOptions = {}): Promise<Editor> {
  const gateway = await connectGateway({
    url: house.wsUrl,
    token: house.token,
    client: { id: "cli", version: "test", platform: "test", mode: "cli" },
    caps: ["approvals"],
    reconnect: { minDelayMs: 20, maxDelayMs: 100, maxAttempts: 200 },
  })
  const check = new FrameCheck(1)
  const frames: Frame[] = []
  const waiting = new Set<() => void>()
  const problems: unknown[] = []
  const note = (from: Frame["from"], text: string) => {
    try {
      check.take(from, text)
    } catch (error) {
      problems.push(error)
    }
    frames.push({ from, message: JSON.parse(text) as Fields })
    for (const wake of waiting) wake()
  }
  let push: (chunk: Uint8Array) => void = () => undefined
  const fromAgent = new ReadableStream<Uint8Array>({
    start(controller) {
      push = (chunk) => controller.enqueue(chunk)
    },
  })
  const bridge = new Bridge({
    gateway: options.port ?? gateway,
    settings: { version: "0.0.0", provenance: "off", ...options.settings },
    send: (text) => {
      note("agent", text)
      push(encoder.encode(`${text}\n`))
    },
    after: systemClock.after,
    now: systemClock.now,
    log: silentLogger,
  })
  let rest = ""
  const toAgent = new WritableStream<Uint8Array>({
    write(chunk) {
      rest += Buffer.from(chunk).toString("utf8")
      const lines = rest.split("\n")
      rest = lines.pop() ?? ""
      for (const line of lines) {
        note("client", line)
        bridge.receive(line)
      }
    },
  })
  const serve = options.serve ?? (() => assert.fail("the agent asked for nothing that this test expects"))
  const app = client({ name: "test-editor" })
    .onNotification("session/update", () => undefined)
    .onRequest(
      "session/request_permission",
      ({ params }) => serve("session/request_permission", params as never) as never,
    )
    .onRequest("fs/read_text_file", ({ params }) => serve("fs/read_text_file", params as never) as never)
    .onRequest("fs/write_text_file", ({ params }) => serve("fs/write_text_file", params as never) as never)
    .onRequest("terminal/create", ({ params }) => serve("terminal/create", params as never) as never)
    .onRequest("terminal/output", ({ params }) => serve("terminal/output", params as never) as never)
    .onRequest("terminal/wait_for_exit", ({ params }) => serve("terminal/wait_for_exit", params as never) as never)
    .onRequest("terminal/kill", ({ params }) => serve("terminal/kill", params as never) as never)
    .onRequest("terminal/release", ({ params }) => serve("terminal/release", params as never) as never)
    .onRequest("elicitation/create", ({ params }) => serve("elicitation/create", params as never) as never)
  const connection = app.connect(ndJsonStream(toAgent, fromAgent))
  const request = async (method: string, params: Fields) => (await connection.agent.request(method, params)) as Fields
  const updates = () =>
    frames
      .filter(({ from, message }) => from === "agent" && message["method"] === "session/update")
      .map(({ message }) => message["params"] as { sessionId: string; update: SessionUpdate })
  const editor: Editor = {
    connection,
    frames,
    get updates() {
      return updates()
    },
    request,
    notify: (method, params) => connection.agent.notify(method, params),
    until(test) {
      return new Promise((resolve) => {
        const look = () => {
          const found = frames.find(({ from, message }) => from === "agent" && test(message))
          if (!found) return
          waiting.delete(look)
          resolve(found.message)
        }
        waiting.add(look)
        look()
      })
    },
    of: (kind) =>
      updates()
        .map(({ update }) => update)
        .filter((update) => update.sessionUpdate === kind) as unknown as Fields[],
    text: () =>
      updates()
        .map(({ update }) =>
          update.sessionUpdate === "agent_message_chunk" && update.content.type === "text" ? update.content.text : "",
        )
        .join(""),
    raw: (text) => bridge.receive(text),
    gateway,
    bridge,
    async close() {
      await bridge.end()
      gateway.close()
      connection.close()
      assert.deepEqual(problems, [], "every frame is as the schema says")
    },
  }
  await request("initialize", {
    protocolVersion: options.protocolVersion ?? 1,
    clientCapabilities: options.capabilities ?? {},
    clientInfo: { name: "test-editor", version: "1.0" },
  })
  return editor
}

/** A new session in the house's folder. */
export async function openSession(editor: Editor, house: House, more: Fields = {}): Promise<string> {
  const { sessionId } = await editor.request("session/new", { cwd: house.work, mcpServers: [], ...more })
  return String(sessionId)
}

export function say(editor: Editor, sessionId: string, text: string, more: Fields = {}): Promise<Fields> {
  return editor.request("session/prompt", { sessionId, prompt: [{ type: "text", text }], ...more })
}

/** The answer of permissions: the option of this kind. */
export function choose(optionId: string) {
  return { outcome: { outcome: "selected", optionId } }
}
