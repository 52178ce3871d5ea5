// The configuration slice of this room, as plain data. Secrets arrive as functions, so that none lies in a settings object.

import type { ModelInfo } from "./provider.ts"

/** Where a service is that is started when it is first asked, until `release`. */
export interface StartedPlace {
  baseUrl: string
  secret: string
  /** Asked when a connection broke: why it is gone, if it is. */
  fault(): Promise<string | undefined>
  release(): void
}

export interface StartedService {
  /** Waits until `model` can be asked. Throws PincerError, or the signal's reason. */
  start(model: string, signal: AbortSignal): Promise<StartedPlace>
  models(): Promise<Omit<ModelInfo, "provider">[]>
}

export interface ProviderSettings {
  /** The user's name for it: "openai", "my-vllm". */
  id: string
  wire: "openai-chat" | "openai-responses" | "anthropic" | "gemini" | "offline"
  /** The row of the service table that it was made from, when there is one: known models and prices are looked up by it. */
  service?: string
  /** Without a trailing slash, including the version segment where the service has one ("https://api.openai.com/v1"). */
  baseUrl: string
  /** Reads the key at the moment of use; undefined when the service needs none. */
  apiKey: () => string | undefined
  /** Extra request headers. */
  headers: Record<string, string>
  /** Model ids to offer even when the service lists none. */
  models: string[]
  /** First byte of the answer must come within this, ms. */
  connectTimeoutMs: number
  /** Longest silence within a stream, ms. */
  stallMs: number
  /** Of a service that is started when it is asked; the address above stands for the machine only. */
  startedBy?: StartedService
  /** Fields of the wire that this service does not accept or names differently. */
  quirks: Quirks
}

export interface Quirks {
  /** "max_completion_tokens" for OpenAI's own newer models; the rest of the world takes "max_tokens". */
  maxTokensField?: "max_tokens" | "max_completion_tokens"
  /** Refuses stream_options.include_usage. */
  noStreamUsage?: boolean
  /** Delta field that carries reasoning text, when not reasoning_content or reasoning. */
  reasoningField?: string
  /** Sends no key header at all. */
  keyless?: boolean
}
