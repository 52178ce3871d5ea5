// A random model of half a megabyte in the GGUF format, llama architecture with a vocabulary of bytes, the same for the same seed. It
// knows nothing, but it can be loaded and answers something, which is what tests of running models need.
import { seeded } from "./seeded.ts"

export interface TinyModelOptions {
  seed?: number
  name?: string
  contextLength?: number
  /** More metadata, or other. */
  texts?: Record<string, string>
}

const WIDTH = 64
const HIDDEN = 128
const LAYERS = 2
const HEADS = 4
/** <unk>, <s>, </s> and one for each byte. */
const VOCABULARY = 259

class Bytes {
  readonly #parts: Buffer[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  add(part: Buffer): this {
    this.#parts.push(part)
    this.#length += part.length
    return this
  }

  u32(value: number): this {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value)
    return this.add(bytes)
  }

  u64(value: number): this {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(BigInt(value))
    return this.add(bytes)
  }

  f32(value: number): this {
    const bytes = Buffer.alloc(4)
    bytes.writeFloatLE(value)
    return this.add(bytes)
  }

  text(value: string): this {
    const bytes = Buffer.from(value)
    return this.u64(bytes.length).add(bytes)
  }

  pad(to: number): this {
    return this.add(Buffer.alloc((to - (this.#length % to)) % to))
  }

  all(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

const U32 = 4
const I32 = 5
const F32 = 6
const TEXT = 8
const LIST = 9

function tensors(): [name: string, shape: number[]][] {
  const list: [string, number[]][] = [["token_embd.weight", [WIDTH, VOCABULARY]]]
  for (let i = 0; i < LAYERS; i++) {
    for (const name of ["attn_q", "attn_k", "attn_v", "attn_output"])
      list.push([`blk.${i}.${name}.weight`, [WIDTH, WIDTH]])
    list.push([`blk.${i}.attn_norm.weight`, [WIDTH]], [`blk.${i}.ffn_norm.weight`, [WIDTH]])
    list.push([`blk.${i}.ffn_gate.weight`, [WIDTH, HIDDEN]], [`blk.${i}.ffn_up.weight`, [WIDTH, HIDDEN]])
    list.push([`blk.${i}.ffn_down.weight`, [HIDDEN, WIDTH]])
  }
  return [...list, ["output_norm.weight", [WIDTH]], ["output.weight", [WIDTH, VOCABULARY]]]
}

function metadata(options: TinyModelOptions): Buffer[] {
  const { name = "Tiny", contextLength = 65_536, texts = {} } = options
  const entry = (key: string, type: number) => new Bytes().text(key).u32(type)
  const numbers = {
    "llama.context_length": contextLength,
    "llama.embedding_length": WIDTH,
    "llama.block_count": LAYERS,
    "llama.feed_forward_length": HIDDEN,
    "llama.attention.head_count": HEADS,
    "llama.attention.head_count_kv": HEADS,
    "llama.rope.dimension_count": WIDTH / HEADS,
    "llama.vocab_size": VOCABULARY,
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.unknown_token_id": 0,
  }
  const tokens = ["<unk>", "<s>", "</s>", ...Array.from({ length: 256 }, (_, i) => byteToken(i))]
  const words = { "general.architecture": "llama", "general.name": name, "tokenizer.ggml.model": "llama", ...texts }
  const list = entry("tokenizer.ggml.tokens", LIST).u32(TEXT).u64(tokens.length)
  for (const token of tokens) list.text(token)
  const scores = entry("tokenizer.ggml.scores", LIST).u32(F32).u64(tokens.length)
  for (const _ of tokens) scores.f32(0)
  const types = entry("tokenizer.ggml.token_type", LIST).u32(I32).u64(tokens.length)
  // Unknown, control, control, then bytes.
  for (const i of tokens.keys()) types.u32(i === 0 ? 2 : i < 3 ? 3 : 6)
  return [
    ...Object.entries(words)
      .filter(([key]) => key.startsWith("general."))
      .map(([key, value]) => entry(key, TEXT).text(value).all()),
    ...Object.entries(numbers).map(([key, value]) => entry(key, U32).u32(value).all()),
    entry("llama.attention.layer_norm_rms_epsilon", F32).f32(1e-5).all(),
    ...Object.entries(words)
      .filter(([key]) => !key.startsWith("general."))
      .map(([key, value]) => entry(key, TEXT).text(value).all()),
    ...[list, scores, types].map((one) => one.all()),
  ]
}

function byteToken(value: number): string {
  return `<0x${value.toString(16).toUpperCase().padStart(2, "0")}>`
}

/** The whole file. */
export function tinyModel(options: TinyModelOptions = {}): Buffer {
  const random = seeded(options.seed ?? 1)
  const values = metadata(options)
  const all = tensors()
  const head = new Bytes().add(Buffer.from("GGUF")).u32(3).u64(all.length).u64(values.length)
  for (const value of values) head.add(value)
  let offset = 0
  for (const [name, shape] of all) {
    head.text(name).u32(shape.length)
    for (const size of shape) head.u64(size)
    head.u32(0).u64(offset)
    offset += sizeOf(shape) * 4
  }
  const data = Buffer.alloc(offset)
  let at = 0
  for (const [name, shape] of all)
    for (let i = sizeOf(shape); i > 0; i--, at += 4)
      data.writeFloatLE(name.includes("norm") ? 1 : (random() - 0.5) * 0.2, at)
  return head.pad(32).add(data).all()
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, one) => product * one, 1)
}
