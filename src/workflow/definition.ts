// A workflow as it was read from a file: every field of Lobster's file format and ours, with the place where each stands, so that every
// problem can name file, line and column. Plain data, stored with the run.
import type { StepKind } from "../protocol/workflow.ts"

/** From 1. */
export interface SourcePlace {
  line: number
  column: number
}

export interface Definition {
  name?: string
  description?: string
  /** Absolute path, when it came from a file. */
  file?: string
  args: Record<string, ArgDefinition>
  env: Record<string, string>
  cwd?: string
  costLimit?: { maxUsd: number; action: "warn" | "stop" }
  /** Whole run, ms. */
  timeoutMs?: number
  steps: StepDefinition[]
  /** Run at the end, whatever came of it; `onFailure` only after a failure. Neither changes the outcome. */
  finally: StepDefinition[]
  onFailure: StepDefinition[]
  /** Unknown keys are errors, and so are undeclared arguments. */
  strict: boolean
}

export interface ArgDefinition {
  default?: unknown
  description?: string
  /** JSON Schema; `type: string` is short for a schema of that type. */
  schema?: Record<string, unknown>
  required?: boolean
}

export interface StepDefinition {
  id: string
  place: SourcePlace
  /** JSON pointer into the file. */
  pointer: string
  kind: StepKind
  /** What is run: text with templates, by kind. */
  body: StepBody
  gate?: Gate
  stdin?: unknown
  env: Record<string, string>
  cwd?: string
  /** `true`, `false` or a condition's text. */
  when?: boolean | string
  /** Steps that must have ended before; absent: the one before. */
  needs?: string[]
  timeoutMs?: number
  retry?: RetryDefinition
  onError: "stop" | "continue" | "skip_rest"
  effect?: "read" | "write"
  /** Template; two runs with the same key act once. */
  idempotencyKey?: string
  output?: { mode?: "text" | "json"; schema?: Record<string, unknown>; maxBytes?: number }
}

export type StepBody =
  | { type: "none" }
  /** `quote`: whatever is put into the line becomes one word of the shell. */
  | { type: "shell"; line: string; quote: boolean }
  | { type: "argv"; argv: string[] }
  | { type: "pipeline"; text: string }
  | { type: "workflow"; path: string; args: Record<string, unknown> }
  | {
      type: "for_each"
      source: string
      steps: StepDefinition[]
      itemVar: string
      indexVar: string
      batchSize: number
      pauseMs: number
      concurrency: number
    }
  | {
      type: "parallel"
      branches: StepDefinition[]
      wait: "all" | "any"
      timeoutMs?: number
      concurrency: number
    }
  | { type: "tool"; name: string; args: Record<string, unknown> }
  | {
      type: "agent"
      message: string
      agent?: string
      sessionKey?: string
      model?: string
      thinking?: string
      schema?: Record<string, unknown>
      maxRetries: number
    }
  | { type: "http"; url: string; method: string; headers: Record<string, string>; body?: unknown }

export type Gate =
  | {
      type: "approval"
      prompt: string
      items?: unknown[]
      preview?: string
      initiatedBy?: string
      requiredApprover?: string
      requireDifferentApprover?: boolean
      timeoutMs?: number
    }
  | {
      type: "input"
      prompt: string
      responseSchema: Record<string, unknown>
      defaults?: unknown
      timeoutMs?: number
    }

export interface RetryDefinition {
  /** Attempts in total. */
  max: number
  backoff: "fixed" | "exponential"
  delayMs: number
  maxDelayMs: number
  jitter: boolean
}

/** Something that is wrong or doubtful in a definition. */
export interface Problem {
  level: "error" | "warning"
  /** "unknown-key", "unknown-command", "unknown-reference", "forward-reference", "type-clash", "injection", … */
  code: string
  message: string
  file?: string
  place?: SourcePlace
  /** JSON pointer into the file. */
  pointer: string
}
