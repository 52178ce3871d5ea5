// Redaction of text that comes in pieces. What may still become a secret is held back and nothing else; a bounded tail of what was
// shown is remembered, so that a prefix that has gone out already is still recognised when its secret follows.
import { endOfBlock, judge, MAX_BLOCK, type Rest, type Suspicion, TELLING } from "./redact-rules.ts"
import type { SecretValues } from "./redact-values.ts"

/** A name, a separator and what may stand between them. */
const LOOK_BACK = 24
/** How much of what was shown is remembered: a URL's user part may be that long. */
const MEMORY = 256

export class RedactionStream {
  readonly #values: SecretValues
  readonly #mark: string
  /** The tail of what was shown, then what is held back. */
  #text = ""
  /** Where in #text the unshown begins. */
  #shown = 0
  /** Where in #text to look from when more comes. */
  #from = 0
  /** What goes on of the secret that was found last. */
  #rest: Rest | undefined
  /** Of a private key that goes on: the end of what came, for its last line may be split, and how much came. */
  #block = { tail: "", length: 0 }

  constructor(values: SecretValues, mark: string) {
    this.#values = values
    this.#mark = mark
  }

  push(piece: string): string {
    return piece === "" ? "" : this.#take(piece, false)
  }

  end(): string {
    const last = this.#take("", true)
    this.#text = ""
    this.#shown = 0
    this.#from = 0
    this.#rest = undefined
    this.#block = { tail: "", length: 0 }
    return last
  }

  #take(piece: string, final: boolean): string {
    const fresh = this.#rest === undefined ? piece : this.#swallow(this.#rest, piece, final)
    if (fresh === "" && this.#shown === this.#text.length) return ""
    const text = this.#text + fresh
    return this.#scan(text, final)
  }

  /** What is left of a piece after the secret that it continues. */
  #swallow(rest: Rest, piece: string, final: boolean): string {
    if (rest.type === "run") {
      const length = runLength(rest.chars, piece)
      if (length < piece.length || final) this.#rest = undefined
      return piece.slice(length)
    }
    const { tail, length } = this.#block
    const whole = tail + piece
    const end = endOfBlock(whole, 0)
    if (end.closed || final || length > MAX_BLOCK) {
      this.#rest = undefined
      this.#block = { tail: "", length: 0 }
      return whole.slice(Math.max(tail.length, end.to))
    }
    this.#block = { tail: whole.slice(-LOOK_BACK * 2), length: length + piece.length }
    return ""
  }

  /** Shows all of `text` that is decided. */
  #scan(text: string, final: boolean): string {
    const values = this.#values
    const { length } = text
    let out = ""
    /** Up to where `text` is in `out` (or was shown before). */
    let done = this.#shown
    let hold = length
    /** Where to look again, as a place in what will be remembered. */
    let again = Number.POSITIVE_INFINITY
    const place = (at: number) => this.#shown + out.length + at - done
    for (let at = values.next(text, this.#from, TELLING); at < length; at = values.next(text, at, TELLING)) {
      const code = text.charCodeAt(at)
      const verdict = TELLING[code] === 1 ? judge(text, at, final) : undefined
      const value = at + 2 < length && values.mayStart(text, at) ? values.at(text, at, final) : undefined
      const match = this.#widest(text, at, verdict, value?.type === "found" ? value.to : undefined, final)
      if (match !== undefined && match.to > done) {
        out += text.slice(done, Math.max(done, match.from)) + this.#mark
        done = match.to
        at = Math.max(at + 1, match.to)
        if (match.rest !== undefined && match.to === length) {
          this.#rest = match.rest
          break
        }
        continue
      }
      if (value?.type === "maybe") {
        hold = Math.min(hold, at)
        again = Math.min(again, place(at))
        break
      }
      if (verdict?.type === "maybe") {
        again = Math.min(again, place(at))
        hold = Math.min(hold, Math.max(verdict.hold, done))
        if (hold < length) break
      }
      at += 1
    }
    return this.#keep(text, out, done, Math.max(done, hold), again)
  }

  /** The longer of what the rules and the known values found here, and values that begin within it. */
  #widest(
    text: string,
    at: number,
    verdict: Suspicion | undefined,
    valueTo: number | undefined,
    final: boolean,
  ): Extract<Suspicion, { type: "found" }> | undefined {
    const byRule = verdict?.type === "found" ? verdict : undefined
    if (byRule === undefined && valueTo === undefined) return undefined
    const from = Math.min(byRule?.from ?? at, valueTo === undefined ? Number.POSITIVE_INFINITY : at)
    let to = Math.max(byRule?.to ?? 0, valueTo ?? 0)
    for (let i = from + 1; i < to && i + 2 < text.length; i++) {
      if (!this.#values.mayStart(text, i)) continue
      const value = this.#values.at(text, i, final)
      if (value.type === "found" && value.to > to) to = value.to
    }
    return { type: "found", from, to, ...(byRule?.rest && byRule.to === to ? { rest: byRule.rest } : {}) }
  }

  /** Remembers the tail and gives what may be shown: `out`, then `text` from `done` to `hold`. */
  #keep(text: string, out: string, done: number, hold: number, again: number): string {
    const shown = out === "" && done === this.#shown ? text.slice(done, hold) : out + text.slice(done, hold)
    // The memory is of what was shown, marks included, so that no secret is looked at twice.
    const memory = out === "" ? text.slice(0, hold) : text.slice(0, this.#shown) + shown
    const cut = Math.max(0, memory.length - MEMORY)
    this.#text = memory.slice(cut) + text.slice(hold)
    this.#shown = memory.length - cut
    this.#from = Math.max(0, Math.min(again - cut, this.#shown - LOOK_BACK))
    return shown
  }
}

function runLength(chars: RegExp, text: string): number {
  let at = 0
  for (;;) {
    chars.lastIndex = at
    const more = chars.exec(text)?.[0].length ?? 0
    if (more === 0) return at
    at += more
  }
}
