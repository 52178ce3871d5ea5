// The few things of node-llama-cpp that are used, as an interface: it is not a dependency, so its own types are not here.
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { PincerError } from "../../base/errors.ts"

export type HistoryItem =
  | { type: "system" | "user"; text: string }
  | { type: "model"; response: (string | HistoryCall)[] }

export interface HistoryCall {
  type: "functionCall"
  name: string
  params: unknown
  result: unknown
  startsNewChunk?: boolean
}

export type Functions = Record<string, { description?: string; params?: object }>

export interface GenerateOptions {
  signal?: AbortSignal
  stopOnAbortSignal?: boolean
  maxTokens?: number
  temperature?: number
  topP?: number
  seed?: number
  customStopTriggers?: readonly string[]
  grammar?: Grammar
  functions?: Functions
  documentFunctionParams?: boolean
  maxParallelFunctionCalls?: number
  onResponseChunk?(chunk: { type?: string; segmentType?: string; text: string }): void
}

export interface Generated {
  response: string
  functionCalls?: { functionName: string; params: unknown }[]
  metadata: { stopReason: string }
}

/** Made by createGrammarForJsonSchema() and handed back. */
export type Grammar = object

export interface Meter {
  getState(): unknown
  diff(earlier: unknown): { usedInputTokens: number; usedOutputTokens: number }
}

export interface Sequence {
  readonly contextSize: number
  /** How many tokens it holds. */
  readonly nextTokenIndex: number
  readonly tokenMeter: Meter
}

export interface Context {
  readonly contextSize: number
  getSequence(): Sequence
}

export interface LoadedModel {
  readonly trainContextSize: number
  tokenize(text: string): readonly unknown[]
  createContext(options: { contextSize: { min: number; max: number }; sequences: 1; threads: number }): Promise<Context>
}

export interface Llama {
  loadModel(options: { modelPath: string }): Promise<LoadedModel>
  createGrammarForJsonSchema(schema: object): Promise<Grammar>
}

export interface Chat {
  generateResponse(history: HistoryItem[], options: GenerateOptions): Promise<Generated>
}

export interface LlamaModule {
  getLlama(options: {
    gpu: false | "metal"
    build: "never"
    skipDownload: true
    maxThreads: number
    logLevel: "warn"
  }): Promise<Llama>
  LlamaChat: new (options: { contextSequence: Sequence }) => Chat
}

/** Loads the package from its folder. Throws UNAVAILABLE when it is not what it should be. */
export async function loadLlama(folder: string): Promise<LlamaModule> {
  const file = join(folder, "dist", "index.js")
  const module: unknown = await import(pathToFileURL(file).href).catch((error: unknown) => {
    throw new PincerError(
      "UNAVAILABLE",
      `the engine in ${folder} cannot be loaded: run "pincer models engine install"`,
      {
        cause: error,
      },
    )
  })
  if (!isLlama(module))
    throw new PincerError("UNAVAILABLE", `${file} is not node-llama-cpp: run "pincer models engine install"`)
  return module
}

function isLlama(module: unknown): module is LlamaModule {
  if (typeof module !== "object" || module === null) return false
  return "getLlama" in module && "LlamaChat" in module && typeof module.LlamaChat === "function"
}
