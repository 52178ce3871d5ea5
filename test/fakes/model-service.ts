// One fake model service that speaks all four wires as they really are, and misbehaves on demand. Scripted per request; what was
// asked is kept. Stand-alone for benchmarks: `node test/fakes/model-service.ts --port 0 --deltas 1000` prints its URL and answers
// every chat completion with that many deltas, as cheaply as it can.
import http from "node:http"
import type { AddressInfo } from "node:net"
import { errorEvent, eventsOf, type FakeReply, type Wire } from "./model-wires.ts"

export type { FakeCall, FakeReply, Wire } from "./model-wires.ts"

export interface FakeRequest {
  method: string
  path: string
  headers: http.IncomingHttpHeaders
  body: Record<string, unknown>
  wire: Wire
  /** Resolves when the client has closed the connection before the answer ended. */
  closed: Promise<void>
}

type Scripted = FakeReply | ((request: FakeRequest) => FakeReply)

export interface FakeModel {
  url: string
  requests: FakeRequest[]
  /** Requests for the list of models. */
  lists: FakeRequest[]
  /** Connections that were ever opened. */
  connections(): number
  /** Answers the next request without an answer; in order. */
  script(...replies: Scripted[]): void
  /** Answers what nothing was scripted for. */
  otherwise(reply: Scripted): void
  /** Answers requests for the list of models from now on. */
  listing(reply: FakeReply): void
  close(): Promise<void>
}

export async function startFakeModel(): Promise<FakeModel> {
  const queue: Scripted[] = []
  const requests: FakeRequest[] = []
  const lists: FakeRequest[] = []
  let fallback: Scripted = { text: "Hello from the fake model." }
  let listing: FakeReply | undefined
  let connections = 0
  const server = http.createServer((incoming, response) => {
    void (async () => {
      const request = await receive(incoming, response)
      if (request.method === "GET") {
        lists.push(request)
        if (listing) await answer(request, response, listing)
        else respondJson(response, modelList(request.wire, request.path))
        return
      }
      requests.push(request)
      const scripted = queue.shift() ?? fallback
      const reply = typeof scripted === "function" ? scripted(request) : scripted
      if (request.path.endsWith("/embeddings") && !reply.fail) respondJson(response, embeddings(request.body))
      else if (reply.json !== undefined) respondJson(response, reply.json)
      else await answer(request, response, reply)
    })().catch(() => response.destroy())
  })
  server.on("connection", () => {
    connections += 1
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    lists,
    connections: () => connections,
    script: (...replies) => void queue.push(...replies),
    otherwise: (reply) => {
      fallback = reply
    },
    listing: (reply) => {
      listing = reply
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function receive(incoming: http.IncomingMessage, response: http.ServerResponse): Promise<FakeRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString("utf8")
  const path = incoming.url ?? ""
  const closed = new Promise<void>((resolve) => response.once("close", () => !response.writableFinished && resolve()))
  const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>)
  return { method: incoming.method ?? "", path, headers: incoming.headers, body, wire: wireOf(path), closed }
}

function wireOf(target: string): Wire {
  const path = target.split("?", 1)[0]!
  if (path.endsWith("/chat/completions")) return "openai-chat"
  if (path.endsWith("/responses")) return "openai-responses"
  if (path.endsWith("/messages")) return "anthropic"
  if (/:streamGenerateContent/.test(path) || path.includes("v1beta")) return "gemini"
  return "other"
}

function respondJson(response: http.ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body))
}

function modelList(wire: Wire, path: string): unknown {
  if (wire === "gemini" || path.includes("v1beta"))
    return {
      models: [
        {
          name: "models/test-model",
          displayName: "Test",
          inputTokenLimit: 1000,
          supportedGenerationMethods: ["generateContent"],
        },
      ],
    }
  return { object: "list", data: [{ id: "test-model", object: "model", owned_by: "fake", display_name: "Test" }] }
}

function embeddings(body: Record<string, unknown>): unknown {
  const input = Array.isArray(body["input"]) ? body["input"] : [body["input"]]
  const data = input.map((text, index) => ({ object: "embedding", index, embedding: [String(text).length, 0.5, -1] }))
  return {
    object: "list",
    data,
    model: body["model"],
    usage: { prompt_tokens: input.length, total_tokens: input.length },
  }
}

async function answer(request: FakeRequest, response: http.ServerResponse, reply: FakeReply): Promise<void> {
  const { fail } = reply
  if (fail?.type === "status") return refuse(response, fail)
  if (fail?.type === "stall" && fail.after === "nothing") return
  if (fail?.type === "drop") {
    response.socket?.destroy()
    return
  }
  if (fail?.type === "html") {
    response
      .writeHead(200, { "content-type": "text/html" })
      .end("<!doctype html><html><body>Sign in to the Wi-Fi</body></html>")
    return
  }
  response.writeHead(200, { "content-type": fail?.type === "content-type" ? fail.value : "text/event-stream" })
  if (await writeEvents(request, response, reply)) await finish(request, response, reply)
}

function refuse(response: http.ServerResponse, fail: Extract<FakeReply["fail"], { type: "status" }>): void {
  const body = fail.body ?? JSON.stringify({ error: { message: `status ${fail.status}`, type: "fake_error" } })
  const type = body.startsWith("<") ? "text/html" : "application/json"
  response.writeHead(fail.status, { "content-type": type, ...fail.headers })
  if (fail.hang) response.write(body.slice(0, body.length / 2))
  else response.end(body)
}

/** False when the answer is not to be finished: it was given up, or it stalls. */
async function writeEvents(request: FakeRequest, response: http.ServerResponse, reply: FakeReply): Promise<boolean> {
  const { fail } = reply
  const events = eventsOf(request.wire, request.body["model"], reply)
  const half =
    fail?.type === "cut" && fail.half ? events.findLastIndex((event) => event.part === "call") : events.length
  let deltas = 0
  for (const event of events.slice(0, half)) {
    if (response.destroyed) return false
    if (fail && fail.type !== "linger" && event.part === "end") break
    const text = `${event.event ? `event: ${event.event}\n` : ""}data: ${event.data}\n\n`
    await writeText(response, text, reply.bytewise === true)
    if (event.part !== "delta") continue
    if (deltas === 0 && reply.gate) await reply.gate
    await reply.gateAt?.(deltas)
    deltas += 1
    if (fail?.type === "stall") return false
    if (fail?.type !== "broken-json") continue
    response.end('data: {"choices": [{\n\n')
    return false
  }
  return true
}

async function writeText(response: http.ServerResponse, text: string, bytewise: boolean): Promise<void> {
  if (!bytewise) response.write(text)
  else for (const byte of Buffer.from(text)) await new Promise((resolve) => response.write(Buffer.of(byte), resolve))
}

async function finish({ wire }: FakeRequest, response: http.ServerResponse, { fail }: FakeReply): Promise<void> {
  const last = wire === "openai-chat" ? "data: [DONE]\n\n" : undefined
  switch (fail?.type) {
    case "cut":
      // What was written must be on its way before the socket goes.
      await new Promise((resolve) => setImmediate(resolve))
      response.socket?.destroy()
      return
    case "linger":
      if (last) response.write(last)
      return
    case "error-event":
      response.end(errorEvent(wire, fail.message, fail.code ?? "server_error"))
      return
    default:
      response.end(fail === undefined ? last : undefined)
  }
}

/** Serves pre-encoded chat completions: for benchmarks, where the fake must cost next to nothing. */
function serveBenchmark(port: number, deltas: number): void {
  const chunk = (delta: unknown, finish: string | null = null) =>
    Buffer.from(
      `data: ${JSON.stringify({ id: "chatcmpl-b", object: "chat.completion.chunk", created: 1, model: "test-model", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`,
    )
  const first = chunk({ role: "assistant", content: "" })
  const one = chunk({ content: "word " })
  const usage = { prompt_tokens: 10, completion_tokens: deltas, total_tokens: 10 + deltas }
  const tail = Buffer.concat([
    chunk({}, "stop"),
    Buffer.from(
      `data: ${JSON.stringify({ id: "chatcmpl-b", object: "chat.completion.chunk", created: 1, model: "test-model", choices: [], usage })}\n\ndata: [DONE]\n\n`,
    ),
  ])
  const server = http.createServer((request, response) => {
    request.resume()
    request.once("end", () => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(first)
      let left = deltas
      // One write per event, as a model service does, but yielding so that they leave one by one.
      const next = () => {
        for (let i = 0; i < 10 && left > 0; i++, left--) response.write(one)
        if (left > 0) setImmediate(next)
        else response.end(tail)
      }
      next()
    })
  })
  server.listen(port, "127.0.0.1", () =>
    process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`),
  )
}

if (import.meta.main) {
  const flag = (name: string, fallback: number) => {
    const at = process.argv.indexOf(name)
    return at < 0 ? fallback : Number(process.argv[at + 1])
  }
  serveBenchmark(flag("--port", 0), flag("--deltas", 1))
}
