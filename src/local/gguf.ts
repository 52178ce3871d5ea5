// What a GGUF file says about itself: is it one, what kind of model, how long its context is, and how many bytes it must have. Only
// its head is read, within a bound; nothing in it is believed beyond that (lengths are checked before they are used).
import { type FileHandle, open } from "node:fs/promises"
import { PincerError } from "../base/errors.ts"

export interface GgufFacts {
  architecture: string
  /** What the file can be used for; only "model" answers. */
  kind: "model" | "embedding" | "projector" | "adapter"
  name?: string
  /** Tokens that the model was trained for. */
  contextLength?: number
  /** How many files it is split into. */
  parts?: number
}

const MAGIC = 0x46554747
const CHUNK = 256 * 1024
/** Vocabularies take some megabytes; a head beyond this is not one. */
const MAX_HEAD = 64 * 1024 * 1024
const MAX_STRING = 8 * 1024 * 1024
const MAX_COUNT = 4_000_000
const ALIGNMENT = 32
const ENCODERS =
  /^(?:bert|modern-bert|neo-bert|eurobert|nomic-bert|nomic-bert-moe|jina-bert-v2|jina-bert-v3|t5encoder|gemma-embedding)$/

/** Bytes of the metadata types that have a fixed size, by number. */
const SIZES: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 }
const STRING = 8
const ARRAY = 9
/** Values a block and bytes a block of the tensor types, by number; others are not checked to the byte. */
const BLOCKS: Readonly<Record<number, readonly [values: number, bytes: number]>> = {
  0: [1, 4],
  1: [1, 2],
  2: [32, 18],
  3: [32, 20],
  6: [32, 22],
  7: [32, 24],
  8: [32, 34],
  10: [256, 84],
  11: [256, 110],
  12: [256, 144],
  13: [256, 176],
  14: [256, 210],
  24: [1, 1],
  25: [1, 2],
  26: [1, 4],
  27: [1, 8],
  28: [1, 8],
  30: [1, 2],
}

/** The beginning of a file as a stream of values. */
class Head {
  readonly #file: FileHandle
  #bytes = Buffer.alloc(0)
  /** Where `#bytes` begins in the file. */
  #from = 0
  #at = 0

  constructor(file: FileHandle) {
    this.#file = file
  }

  get position(): number {
    return this.#from + this.#at
  }

  async take(count: number): Promise<Buffer> {
    if (this.#at + count > this.#bytes.length) await this.#fill(count)
    const part = this.#bytes.subarray(this.#at, this.#at + count)
    this.#at += count
    return part
  }

  async #fill(count: number): Promise<void> {
    if (this.position + count > MAX_HEAD) throw new NotGguf("its head is too long")
    const rest = this.#bytes.subarray(this.#at)
    this.#from += this.#at
    this.#at = 0
    const more = Buffer.alloc(Math.max(CHUNK, count - rest.length))
    const { bytesRead } = await this.#file.read(more, 0, more.length, this.#from + rest.length)
    this.#bytes = Buffer.concat([rest, more.subarray(0, bytesRead)])
    if (this.#bytes.length < count) throw new NotGguf("it ends in the middle of its head")
  }

  async u32(): Promise<number> {
    return (await this.take(4)).readUInt32LE()
  }

  async u64(): Promise<number> {
    const value = (await this.take(8)).readBigUInt64LE()
    if (value > Number.MAX_SAFE_INTEGER) throw new NotGguf("a number in its head is too large")
    return Number(value)
  }

  async count(): Promise<number> {
    const value = await this.u64()
    if (value > MAX_COUNT) throw new NotGguf("a number in its head is too large")
    return value
  }

  async string(): Promise<string> {
    const length = await this.u64()
    if (length > MAX_STRING) throw new NotGguf("a text in its head is too long")
    return (await this.take(length)).toString("utf8")
  }

  /** Numbers, strings and truths as they are; of an array nothing. */
  async value(type: number): Promise<unknown> {
    if (type === STRING) return this.string()
    if (type === ARRAY) return this.#passArray()
    const size = SIZES[type]
    if (size === undefined) throw new NotGguf(`its head holds a value of the unknown type ${type}`)
    const bytes = await this.take(size)
    if (type === 4) return bytes.readUInt32LE()
    if (type === 5) return bytes.readInt32LE()
    if (type === 10) return Number(bytes.readBigUInt64LE())
    if (type === 2) return bytes.readUInt16LE()
    if (type === 0) return bytes[0]
    return undefined
  }

  async #passArray(depth = 0): Promise<undefined> {
    const type = await this.u32()
    const count = await this.count()
    const size = SIZES[type]
    if (size !== undefined) await this.take(size * count)
    else if (type === STRING) for (let i = 0; i < count; i++) await this.take(await this.count())
    else if (type === ARRAY && depth < 2) for (let i = 0; i < count; i++) await this.#passArray(depth + 1)
    else throw new NotGguf(`its head holds a list of the unknown type ${type}`)
    return undefined
  }
}

/** Why a file cannot be used. */
class NotGguf extends Error {
  override readonly name = "NotGguf"
}

/**
 * Reads the head of a file. `whole`: up to its end, and that the file holds all that it announces. Throws INVALID_PARAMS with the
 * reason when it is no GGUF file, or one that is cut off.
 */
export async function readGguf(path: string, { whole = false } = {}): Promise<GgufFacts> {
  const file = await open(path, "r")
  try {
    const { size } = await file.stat()
    return await factsOf(new Head(file), whole ? size : undefined)
  } catch (error) {
    if (!(error instanceof NotGguf)) throw error
    throw new PincerError("INVALID_PARAMS", `${path} cannot be used: ${error.message}`, { cause: error })
  } finally {
    await file.close()
  }
}

async function factsOf(head: Head, size: number | undefined): Promise<GgufFacts> {
  const magic = await head.u32().catch(() => 0)
  if (magic !== MAGIC) throw new NotGguf("it is not a GGUF file")
  const version = await head.u32()
  if (version < 2 || version > 3) throw new NotGguf(`it is GGUF version ${version}; versions 2 and 3 are known`)
  const tensors = await head.count()
  const values = await readValues(head, await head.count(), size !== undefined)
  if (size !== undefined) await requireWhole(head, tensors, number(values.get("general.alignment")) ?? ALIGNMENT, size)
  const architecture = text(values.get("general.architecture")) ?? ""
  if (architecture === "") throw new NotGguf("it does not say what kind of model it is (general.architecture)")
  const name = text(values.get("general.name"))
  const contextLength = number(values.get(`${architecture}.context_length`))
  const parts = number(values.get("split.count"))
  return {
    architecture,
    kind: kindOf(architecture, values),
    ...(name === undefined ? {} : { name }),
    ...(contextLength === undefined ? {} : { contextLength }),
    ...(parts === undefined || parts < 2 ? {} : { parts }),
  }
}

/** What is known of the model comes before its vocabulary; without `all` that is where reading ends. */
async function readValues(head: Head, count: number, all: boolean): Promise<Map<string, unknown>> {
  const values = new Map<string, unknown>()
  for (let i = 0; i < count; i++) {
    const key = await head.string()
    const type = await head.u32()
    if (!all && key.startsWith("tokenizer.") && values.has("general.architecture")) break
    const value = await head.value(type)
    if (value !== undefined && !key.startsWith("tokenizer.")) values.set(key, value)
  }
  return values
}

/** That the file holds every tensor that its head lists. */
async function requireWhole(head: Head, count: number, alignment: number, size: number): Promise<void> {
  let end = 0
  for (let i = 0; i < count; i++) {
    await head.string()
    const dimensions = await head.u32()
    if (dimensions > 8) throw new NotGguf("its list of tensors is broken")
    let values = 1
    for (let d = 0; d < dimensions; d++) values *= await head.u64()
    const block = BLOCKS[await head.u32()]
    const offset = await head.u64()
    end = Math.max(end, offset + (block ? Math.ceil(values / block[0]) * block[1] : 1))
  }
  const data = Math.ceil(head.position / alignment) * alignment
  if (data + end > size) throw new NotGguf(`it is cut off: it has ${size} bytes of at least ${data + end}`)
}

function kindOf(architecture: string, values: ReadonlyMap<string, unknown>): GgufFacts["kind"] {
  const type = values.get("general.type")
  if (architecture === "clip" || type === "mmproj" || type === "projector") return "projector"
  if (type === "adapter") return "adapter"
  return ENCODERS.test(architecture) || values.has(`${architecture}.pooling_type`) ? "embedding" : "model"
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined
}

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : undefined
}
