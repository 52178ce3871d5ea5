// The end of what an agent wrote to its error output: bounded, decoded over chunk borders, and as one short clause for people.
import { StringDecoder } from "node:string_decoder"
import { excerpt } from "../../base/text.ts"

const KEPT_CHARS = 8_192
const SHOWN_CHARS = 600
/** Colours and other control sequences of terminals. */
const CONTROL = /\u001b\[[0-9;?]*[ -/]*[@-~]|[\u0000-\u0008\u000b-\u001f\u007f]/g

export class StderrTail {
  readonly #decoder = new StringDecoder("utf8")
  #text = ""

  add(chunk: Buffer): void {
    const text = this.#text + this.#decoder.write(chunk)
    this.#text = text.length > KEPT_CHARS * 2 ? text.slice(-KEPT_CHARS) : text
  }

  toString(): string {
    return this.#text.slice(-KEPT_CHARS)
  }

  /** Its last words in one line; "" when it wrote none. */
  words(): string {
    const line = this.toString().replaceAll(CONTROL, "").replaceAll(/\s+/g, " ").trim()
    return line.length <= SHOWN_CHARS ? line : `…${excerpt(line.slice(-SHOWN_CHARS), SHOWN_CHARS)}`
  }
}
