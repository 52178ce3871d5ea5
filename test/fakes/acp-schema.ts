// Frames of ACP held against the official JSON Schemas (v1 and v2, with what is unstable). For tests: `checkFrame` looks at one frame,
// `FrameCheck` follows a connection, so that answers are held against the method that they answer.
import assert from "node:assert/strict"
import { createRequire } from "node:module"
import type { ValidateFunction } from "ajv"
import { Ajv2020 } from "ajv/dist/2020.js"

/** Who sent the frame. */
export type FrameSender = "client" | "agent"
export type AcpVersion = 1 | 2

type Shape = Record<string, unknown>

interface Method {
  /** Who serves it. */
  side: string
  params?: string
  result?: string
  notification?: boolean
}

/** Methods that real clients and agents use although no schema has them any more. */
const LEGACY = new Set(["session/set_model"])

const require = createRequire(import.meta.url)

class Book {
  readonly methods = new Map<string, Method>()
  readonly #id: string
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: false })
  readonly #compiled = new Map<string, ValidateFunction>()

  constructor(version: AcpVersion) {
    this.#id = `acp-v${version}`
    const schema = require(`@agentclientprotocol/sdk/schema/v${version}/schema.unstable.json`) as {
      $defs: Record<string, Shape>
    }
    this.#ajv.addSchema({ ...schema, $id: this.#id })
    for (const [name, shape] of Object.entries(schema.$defs)) {
      const method = shape["x-method"]
      if (typeof method !== "string") continue
      const known = this.methods.get(method) ?? { side: String(shape["x-side"]) }
      this.methods.set(method, known)
      if (name.endsWith("Response")) known.result = name
      else if (name.endsWith("Request")) known.params = name
      else {
        known.notification = true
        known.params ??= name
      }
    }
  }

  /** `closed`: a field that the schema does not know is a mistake, too. */
  problem(name: string, value: unknown, closed: boolean): string | undefined {
    const key = `${name}:${closed}`
    let validate = this.#compiled.get(key)
    if (!validate) {
      const ref = { $ref: `${this.#id}#/$defs/${name}` }
      validate = this.#ajv.compile(closed ? { ...ref, unevaluatedProperties: false } : ref)
      this.#compiled.set(key, validate)
    }
    if (validate(value)) return undefined
    return `${name}: ${this.#ajv.errorsText(validate.errors, { dataVar: "" })}`
  }
}

const books = new Map<AcpVersion, Book>()

function bookOf(version: AcpVersion): Book {
  let book = books.get(version)
  if (!book) {
    book = new Book(version)
    books.set(version, book)
  }
  return book
}

/** Throws an AssertionError that says what is wrong with the frame. The result in an answer is looked at by `FrameCheck` only. */
export function checkFrame(sender: FrameSender, text: string, version: AcpVersion): void {
  new FrameCheck(version).take(sender, text)
}

/** Follows one connection, frame by frame, in the order in which they were sent; in the version that the agent agreed to. */
export class FrameCheck {
  #version: AcpVersion
  readonly #open = { client: new Map<unknown, string>(), agent: new Map<unknown, string>() }
  /** Methods and updates that were seen, as "client session/prompt" or "agent session/update plan". */
  readonly seen = new Set<string>()

  constructor(version: AcpVersion) {
    this.#version = version
  }

  /** Throws an AssertionError. Answers to requests that were never seen are looked at as far as one can. */
  take(sender: FrameSender, text: string): void {
    const fail = (what: string): never => assert.fail(`${what}\n in the ${sender}'s ${text.slice(0, 2_000)}`)
    if (text.includes("\n")) fail("a newline within a frame")
    const frame = JSON.parse(text) as Shape
    if (frame === null || typeof frame !== "object" || Array.isArray(frame)) fail("a frame is one object")
    if (frame["jsonrpc"] !== "2.0") fail('"jsonrpc" must be "2.0"')
    const problem = "method" in frame ? this.#call(sender, frame) : this.#answer(sender, frame)
    if (problem !== undefined) fail(problem)
  }

  #call(sender: FrameSender, frame: Shape): string | undefined {
    const { id, method, params } = frame
    if (typeof method !== "string") return "a method is a string"
    const extra = Object.keys(frame).find((key) => !["jsonrpc", "id", "method", "params"].includes(key))
    if (extra !== undefined) return `a field "${extra}" beside the method`
    if ("id" in frame) {
      if (typeof id !== "number" && typeof id !== "string") return "an id is a number or a string"
      if (this.#open[sender].has(id)) return `the id ${JSON.stringify(id)} is in use`
      this.#open[sender].set(id, method)
    }
    this.#see(sender, method, params)
    if (method.startsWith("_") || LEGACY.has(method)) return undefined
    const known = bookOf(this.#version).methods.get(method)
    if (!known) return `no method "${method}" in version ${this.#version}`
    if (known.side === sender) return `"${method}" is asked of the ${sender}, not by it`
    if ("id" in frame ? known.result === undefined : !known.notification)
      return `"${method}" is ${known.notification ? "a notification" : "a request"}`
    if (known.params === undefined) return undefined
    // Who asks for version 2 may have to talk version 1 then: the fields of both stand side by side.
    const closed = sender === "client" && !(method === "initialize" && this.#version === 2)
    return bookOf(this.#version).problem(known.params, params, closed)
  }

  #see(sender: FrameSender, method: string, params: unknown): void {
    const update = (params as { update?: { sessionUpdate?: string } } | undefined)?.update?.sessionUpdate
    this.seen.add(`${sender} ${method}${update === undefined ? "" : ` ${update}`}`)
  }

  #answer(sender: FrameSender, frame: Shape): string | undefined {
    const { error, id, result } = frame
    if ("error" in frame === "result" in frame) return "an answer has either a result or an error"
    const other = sender === "client" ? "agent" : "client"
    const method = this.#open[other].get(id)
    this.#open[other].delete(id)
    if ("error" in frame) return bookOf(this.#version).problem("Error", error, false)
    if (method === undefined || method.startsWith("_")) return undefined
    const agreed = (result as { protocolVersion?: unknown } | null)?.protocolVersion
    if (method === "initialize" && (agreed === 1 || agreed === 2)) this.#version = agreed
    const shape = bookOf(this.#version).methods.get(method)?.result
    return shape === undefined ? undefined : bookOf(this.#version).problem(shape, result, sender === "client")
  }
}
