// The OpenAI chat wire in front of one model, on a loopback port that the system chooses. Whoever has not the secret gets nothing.
import { createHash, timingSafeEqual } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { parseJson } from "../../base/json.ts"
import { type Ask, BadRequest, readAsk } from "./chat.ts"
import type { GeneratedPiece, Generation } from "./generation.ts"

const MAX_BODY = 64 * 1024 * 1024

export interface DoorOptions {
  model: string
  secret: string
  generation: Pick<Generation, "run" | "contextSize">
  clock: Pick<Clock, "now">
}

/** Resolves with the port. */
export async function openDoor(options: DoorOptions): Promise<{ port: number; server: Server }> {
  const server = createServer((request, response) => {
    handle(options, request, response).catch((error: unknown) => refuse(response, error))
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", resolve)
  })
  return { port: (server.address() as AddressInfo).port, server }
}

async function handle(options: DoorOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const given = request.headers.authorization ?? ""
  const sum = (text: string) => createHash("sha256").update(text).digest()
  if (!timingSafeEqual(sum(given), sum(`Bearer ${options.secret}`))) {
    answer(response, 401, { error: { message: "the secret is missing or wrong", type: "authentication_error" } })
    return
  }
  const path = request.url?.split("?")[0]
  if (request.method === "GET" && path === "/v1/models") {
    const { model: id, generation } = options
    answer(response, 200, { object: "list", data: [{ id, object: "model", context_length: generation.contextSize }] })
    return
  }
  if (request.method !== "POST" || path !== "/v1/chat/completions") {
    answer(response, 404, {
      error: { message: `there is no ${request.method} ${path}`, type: "invalid_request_error" },
    })
    return
  }
  const ask = readAsk(parseJson(await readBody(request)))
  const left = new AbortController()
  response.once("close", () => left.abort())
  const now = options.clock.now()
  const head = { id: `chatcmpl-${now.toString(36)}`, created: Math.floor(now / 1000), model: options.model }
  if (ask.stream) await stream(options, ask, { head, response, signal: left.signal })
  else await whole(options, ask, { head, response, signal: left.signal })
}

interface Exchange {
  head: { id: string; created: number; model: string }
  response: ServerResponse
  signal: AbortSignal
}

async function stream({ generation }: DoorOptions, ask: Ask, { head, response, signal }: Exchange): Promise<void> {
  const send = (data: object) => response.write(`data: ${JSON.stringify(data)}\n\n`)
  const chunk = (delta: object, finish: string | null = null) =>
    send({ ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }] })
  let begun = false
  const begin = () => {
    if (begun) return
    begun = true
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" })
    chunk({ role: "assistant", content: "" })
  }
  let calls = 0
  try {
    await generation.run(ask, signal, (piece) => {
      begin()
      if (piece.type === "text") chunk({ content: piece.text })
      else if (piece.type === "thinking") chunk({ reasoning_content: piece.text })
      else if (piece.type === "call") chunk({ tool_calls: [{ index: calls, ...callOf(head.id, calls++, piece) }] })
      else {
        chunk({}, piece.reason)
        if (ask.includeUsage) send({ ...head, object: "chat.completion.chunk", choices: [], usage: usageOf(piece) })
      }
    })
    if (!begun) return
    response.end("data: [DONE]\n\n")
  } catch (error) {
    if (!begun) throw error
    send({ error: errorOf(error).error })
    response.end()
  }
}

async function whole({ generation }: DoorOptions, ask: Ask, { head, response, signal }: Exchange): Promise<void> {
  let content = ""
  let thoughts = ""
  const calls: object[] = []
  let end: Extract<GeneratedPiece, { type: "end" }> | undefined
  await generation.run(ask, signal, (piece) => {
    if (piece.type === "text") content += piece.text
    else if (piece.type === "thinking") thoughts += piece.text
    else if (piece.type === "call") calls.push(callOf(head.id, calls.length, piece))
    else end = piece
  })
  if (!end) return
  const message = {
    role: "assistant",
    content: content === "" && calls.length > 0 ? null : content,
    ...(thoughts === "" ? {} : { reasoning_content: thoughts }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  }
  const choices = [{ index: 0, message, finish_reason: end.reason }]
  answer(response, 200, { ...head, object: "chat.completion", choices, usage: usageOf(end) })
}

function callOf(id: string, index: number, { call }: Extract<GeneratedPiece, { type: "call" }>) {
  return { id: `call_${id.slice(9)}_${index}`, type: "function", function: call }
}

function usageOf({ promptTokens, cachedTokens, completionTokens }: Extract<GeneratedPiece, { type: "end" }>) {
  return {
    prompt_tokens: promptTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  }
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const { status, error: said } = errorOf(error)
  answer(response, status, { error: said })
}

function errorOf(error: unknown): { status: number; error: { message: string; type: string } } {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof BadRequest || error instanceof SyntaxError)
    return { status: 400, error: { message, type: "invalid_request_error" } }
  const status = error instanceof PincerError && error.code === "TOO_LARGE" ? 413 : 500
  return { status, error: { message, type: "server_error" } }
}

function answer(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body)
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
  response.end(text)
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (size > MAX_BODY) throw new PincerError("TOO_LARGE", `a request may have ${MAX_BODY} bytes`)
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString("utf8")
}
