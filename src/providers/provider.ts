// The contract of this room: a provider turns a ModelRequest into a stream of ModelEvents.
//
// stream() never throws and never rejects: every failure is the last event, `failed`. Exactly one `done` or `failed` closes
// the stream. Rules kept by every provider (contract.test.ts): a stream without a finish reason is a failure; a response that is
// not text/event-stream is a failure; tool arguments are parsed strictly, once complete; an aborted signal ends the stream with
// failed{kind:"aborted"} and closes the upstream socket; silence for longer than stallMs is failed{kind:"stalled"}.
import type { Message, Part, StopReason, Usage } from "../protocol/message.ts"
import type { Sampling, ToolSpec } from "../protocol/turn.ts"

export interface ModelRequest {
  /** Model id as the service knows it. */
  model: string
  system?: string
  messages: Message[]
  tools: ToolSpec[]
  sampling: Sampling
  /** Stable per session, for services that route prompt caches by key. */
  cacheKey?: string
  /** Working directory of the session: only the offline provider, which reasons about files, looks at it. */
  cwd?: string
}

export type ModelEvent =
  | { type: "text.delta"; text: string }
  | { type: "thinking.delta"; text: string }
  /** For display only: a tool call is being written. */
  | { type: "tool.started"; callId: string; name: string }
  | { type: "done"; stop: StopReason; content: Part[]; usage: Usage; model?: string }
  | { type: "failed"; failure: ModelFailure }

export type FailureKind =
  | "aborted"
  | "stalled"
  | "network"
  /** The stream ended without a finish reason, or was cut. */
  | "truncated"
  /** Not what the wire format says: HTML, broken JSON, wrong content type. */
  | "format"
  | "auth"
  | "billing"
  | "rate_limit"
  | "overloaded"
  | "context_length"
  | "not_found"
  | "invalid_request"
  | "refusal"
  | "server"

export interface ModelFailure {
  kind: FailureKind
  /** One sentence, without secrets. */
  message: string
  /** HTTP status, when there was one. */
  status?: number
  retryAfterMs?: number
  /** Whether another try, here or at another service, may help. */
  retryable: boolean
  /** What had been received before it failed; text and thinking only, never half-received tool calls. */
  received: Part[]
  usage?: Usage
}

export interface ModelInfo {
  /** Model id at the service. */
  id: string
  provider: string
  name: string
  contextWindow?: number
  maxOutputTokens?: number
  reasoning?: boolean
  images?: boolean
  tools?: boolean
}

export interface Provider {
  readonly id: string
  /** Which codec: also tells whether a raw OpenAI relay can pass bytes through. */
  readonly wire: "openai-chat" | "openai-responses" | "anthropic" | "gemini" | "offline"
  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>
  /** Models that the service offers now. Throws PincerError when it cannot be asked. */
  listModels(signal: AbortSignal): Promise<ModelInfo[]>
  /** Absent when the service has no embeddings. `input`: texts; result: one vector each, in order. */
  embed?(request: EmbedRequest, signal: AbortSignal): Promise<EmbedResult>
  /**
   * Only wire openai-chat: sends an OpenAI chat/completions body as it is, with `model` set by the caller, and hands back the
   * raw response (status, headers, body stream) for byte-for-byte relay. Throws PincerError UNAVAILABLE when unreachable.
   */
  relay?(body: Record<string, unknown>, signal: AbortSignal): Promise<Response>
}

export interface EmbedRequest {
  model: string
  input: string[]
  dimensions?: number
}

export interface EmbedResult {
  vectors: number[][]
  inputTokens: number
}
