// One model in memory: loads it, and generates what an Ask asks for, piece by piece. One at a time; who comes meanwhile waits.

import { type Ask, BadRequest, madeCall } from "./chat.ts"
import {
  type Context,
  type Generated,
  type GenerateOptions,
  type Llama,
  type LoadedModel,
  loadLlama,
  type Sequence,
} from "./llama.ts"
import type { Order } from "./order.ts"

export type GeneratedPiece =
  | { type: "text"; text: string }
  | { type: "thinking"; text: string }
  | { type: "call"; call: { name: string; arguments: string } }
  | {
      type: "end"
      reason: "stop" | "length" | "tool_calls"
      promptTokens: number
      cachedTokens: number
      completionTokens: number
    }

/** A conversation with fewer tokens than this cannot be shifted along in it. */
const MIN_CONTEXT = 1_024
/** Room that is left for an answer. */
const ANSWER_ROOM = 256
/** Words around messages that the tokens of their texts do not show. */
const PER_ITEM = 8

export class Generation {
  readonly #llama: Llama
  readonly #model: LoadedModel
  readonly #chat: InstanceType<Awaited<ReturnType<typeof loadLlama>>["LlamaChat"]>
  readonly #sequence: Sequence
  readonly contextSize: number
  #last: Promise<unknown> = Promise.resolve()

  private constructor(made: {
    llama: Llama
    model: LoadedModel
    context: Context
    module: Awaited<ReturnType<typeof loadLlama>>
  }) {
    this.#llama = made.llama
    this.#model = made.model
    this.#sequence = made.context.getSequence()
    this.#chat = new made.module.LlamaChat({ contextSequence: this.#sequence })
    this.contextSize = made.context.contextSize
  }

  /** Threads are always said: the engine's own number makes two busy cores hundreds of times slower. */
  static async open(folder: string, order: Order): Promise<Generation> {
    const module = await loadLlama(folder)
    const gpu = process.platform === "darwin" && process.arch === "arm64" ? "metal" : false
    const { threads } = order
    const llama = await module.getLlama({
      gpu,
      build: "never",
      skipDownload: true,
      maxThreads: threads,
      logLevel: "warn",
    })
    const model = await llama.loadModel({ modelPath: order.model.path })
    const max = Math.max(MIN_CONTEXT, Math.min(order.contextSize, model.trainContextSize || order.contextSize))
    const context = await model.createContext({ contextSize: { min: MIN_CONTEXT, max }, sequences: 1, threads })
    return new Generation({ llama, model, context, module })
  }

  /** Tells `out` of each piece. Throws BadRequest when it does not fit; an aborted signal ends it early, without an end. */
  async run(ask: Ask, signal: AbortSignal, out: (piece: GeneratedPiece) => void): Promise<void> {
    const before = this.#last
    const turn = before.then(async () => {
      if (!signal.aborted) await this.#run(ask, signal, out)
    })
    this.#last = turn.catch(() => undefined)
    await turn
  }

  async #run(ask: Ask, signal: AbortSignal, out: (piece: GeneratedPiece) => void): Promise<void> {
    const room = this.contextSize - this.#tokensOf(ask)
    if (room < ANSWER_ROOM)
      throw new BadRequest(
        `the conversation exceeds the context length of this model: ${this.contextSize - room} tokens and room for an answer do not fit into ${this.contextSize}`,
      )
    const meter = this.#sequence.tokenMeter.getState()
    const form = ask.forced?.schema ?? ask.form
    const grammar = form === undefined ? undefined : await this.#llama.createGrammarForJsonSchema(form)
    const options: GenerateOptions = {
      ...ask.sampling,
      maxTokens: Math.min(ask.sampling.maxTokens ?? room, room),
      signal,
      stopOnAbortSignal: true,
      ...(grammar ? { grammar } : {}),
      ...(ask.functions && !grammar ? offered(ask) : {}),
      onResponseChunk: ({ segmentType, text }) => {
        if (ask.forced || text === "") return
        out({ type: segmentType === "thought" ? "thinking" : "text", text })
      },
    }
    const made = await this.#chat.generateResponse(ask.history, options)
    if (signal.aborted) return
    const reason = ask.forced && grammar ? forcedCall(ask, made, out) : calls(ask, made, out)
    const { usedInputTokens, usedOutputTokens } = this.#sequence.tokenMeter.diff(meter)
    // What stood in memory from the request before was not read again, but it is part of the prompt.
    const promptTokens = Math.max(usedInputTokens, this.#sequence.nextTokenIndex - usedOutputTokens)
    const cachedTokens = promptTokens - usedInputTokens
    out({ type: "end", reason, promptTokens, cachedTokens, completionTokens: usedOutputTokens })
  }

  #tokensOf({ history, functions, forced }: Ask): number {
    const texts = history.flatMap((item) => (item.type === "model" ? item.response.map(asText) : [item.text]))
    if (functions) texts.push(JSON.stringify(functions))
    if (forced) texts.push("")
    return this.#model.tokenize(texts.join("\n")).length + PER_ITEM * texts.length
  }
}

function asText(part: unknown): string {
  return typeof part === "string" ? part : JSON.stringify(part)
}

function offered(ask: Ask): Pick<GenerateOptions, "functions" | "documentFunctionParams" | "maxParallelFunctionCalls"> {
  return {
    functions: ask.functions ?? {},
    documentFunctionParams: true,
    ...(ask.parallel ? {} : { maxParallelFunctionCalls: 1 }),
  }
}

/** Calls are handed on, never made here. */
function calls(ask: Ask, made: Generated, out: (piece: GeneratedPiece) => void): "stop" | "length" | "tool_calls" {
  const wanted = made.functionCalls ?? []
  for (const { functionName, params } of wanted) out({ type: "call", call: madeCall(ask, functionName, params) })
  if (wanted.length > 0) return "tool_calls"
  return made.metadata.stopReason === "maxTokens" ? "length" : "stop"
}

/** One that was cut off by the limit is none. Whether the arguments are right is judged by whoever asked. */
function forcedCall(ask: Ask, made: Generated, out: (piece: GeneratedPiece) => void): "length" | "tool_calls" {
  if (made.metadata.stopReason === "maxTokens") return "length"
  const call = JSON.parse(made.response) as { name: string; arguments: unknown }
  out({ type: "call", call: madeCall(ask, call.name, call.arguments) })
  return "tool_calls"
}
