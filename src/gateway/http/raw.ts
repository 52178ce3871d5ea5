// `pincer/raw/<provider>/<model>`: no agent, no tools of ours, nothing stored. A service that speaks OpenAI chat itself is passed
// through byte for byte, status and errors included; any other is asked through its own codec and answers in OpenAI's words.
import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { describe } from "../../agent/loop.ts"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { callsOf, NO_USAGE, textOf } from "../../protocol/message.ts"
import type { TurnOutcome, TurnStop } from "../../protocol/turn.ts"
import type { ModelEvent, Provider } from "../../providers/provider.ts"
import { type ChatAsked, decodeChat } from "./chat-request.ts"
import { ChatAnswer, ChatStream } from "./chat-writer.ts"
import type { Exchange } from "./exchange.ts"
import { encodeRefusal, unknownModel } from "./refusal.ts"
import type { Choice } from "./select.ts"
import { SseWriter } from "./sse.ts"
import type { TurnSink } from "./turn-view.ts"

type RawChoice = Extract<Choice, { type: "raw" }>

export async function rawChat(exchange: Exchange, choice: RawChoice, body: Record<string, unknown>): Promise<void> {
  const provider = exchange.parts.catalogue.provider(choice.provider)
  if (!provider) throw unknownModel(`pincer/raw/${choice.provider}/${choice.model}`)
  if (provider.relay) await relay(exchange, provider, { ...body, model: choice.model })
  else await translate(exchange, provider, choice, body)
}

async function relay(exchange: Exchange, provider: Provider, body: Record<string, unknown>): Promise<void> {
  const { response, parts } = exchange
  const controller = new AbortController()
  response.once("close", () => controller.abort())
  response.on("error", (error) => parts.log.debug({ err: error }, "A relayed answer could not be written"))
  const answer = await provider.relay!(body, controller.signal)
  const isStream = /^text\/event-stream/i.test(answer.headers.get("content-type") ?? "")
  const headers: Record<string, string> = { "x-content-type-options": "nosniff" }
  for (const [name, value] of answer.headers) headers[name] = value
  if (isStream) Object.assign(headers, { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" })
  response.writeHead(answer.status, headers)
  try {
    if (answer.body) await pump(answer.body, response)
    response.end()
  } catch (error) {
    if (controller.signal.aborted) return
    parts.log.info({ err: error, provider: provider.id }, "A relayed answer was cut off")
    // The peer must see that this is not the end of the answer: an error event, or a body that does not end.
    if (isStream) response.end(`\n\ndata: ${JSON.stringify(cutOff(provider, error, exchange))}\n\n`)
    else response.destroy()
  }
}

function cutOff(provider: Provider, cause: unknown, { parts }: Exchange): object {
  const refusal = new PincerError("UNAVAILABLE", `${provider.id} broke off in the middle of its answer`, { cause })
  return encodeRefusal(refusal, parts.log).body
}

/** Every chunk as it comes, no faster than the peer reads. */
async function pump(body: ReadableStream<Uint8Array>, response: ServerResponse): Promise<void> {
  const reader = body.getReader()
  const gone = new AbortController()
  response.once("close", () => gone.abort())
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    if (!response.write(value)) await once(response, "drain", { signal: gone.signal })
  }
}

async function translate(
  exchange: Exchange,
  provider: Provider,
  choice: RawChoice,
  body: Record<string, unknown>,
): Promise<void> {
  const { response, parts } = exchange
  const asked = decodeChat(body)
  const controller = new AbortController()
  const now = parts.clock.now()
  const head = {
    id: `chatcmpl-${uuid(now).replaceAll("-", "")}`,
    created: Math.floor(now / 1000),
    model: asked.model ?? choice.model,
    includeUsage: asked.includeUsage,
  }
  const events = provider.stream(modelRequest(asked, choice), controller.signal)
  if (asked.stream) {
    const onGone = () => controller.abort()
    const writer = new SseWriter({ response, keepAlive: exchange.keepAlive, log: parts.log, onGone })
    await show(events, choice, new ChatStream(writer, head))
    return
  }
  response.once("close", () => controller.abort())
  await show(events, choice, new ChatAnswer(response, head, {}, parts.log))
}

function modelRequest({ conversation, tools, sampling }: ChatAsked, choice: RawChoice) {
  const { systemPrompt, messages } = conversation
  return {
    model: choice.model,
    ...(systemPrompt === undefined ? {} : { system: systemPrompt }),
    messages,
    tools,
    sampling,
  }
}

const STOPS: Readonly<Record<Extract<ModelEvent, { type: "done" }>["stop"], TurnStop>> = {
  stop: "end_turn",
  tool_calls: "tool_calls",
  length: "max_output_tokens",
  content_filter: "content_filter",
  refusal: "refusal",
}

async function show(events: AsyncIterable<ModelEvent>, choice: RawChoice, sink: TurnSink): Promise<void> {
  const end = (outcome: TurnOutcome, calls: ReturnType<typeof callsOf>) =>
    sink.ended({ outcome, calls, toolsRan: false, seq: 0 })
  for await (const event of events) {
    if (event.type === "text.delta") sink.text(event.text)
    else if (event.type === "thinking.delta") sink.thinking(event.text)
    else if (event.type === "done") {
      const { content, usage } = event
      await end({ status: "completed", stop: STOPS[event.stop], text: textOf(content), usage }, callsOf(content))
      return
    } else if (event.type === "failed") {
      const error = describe(event.failure, choice)
      await end({ status: "failed", stop: "error", text: "", usage: NO_USAGE, error }, [])
      return
    }
  }
}
