// The line on which people write in a conversation: history, completion, several lines (a trailing backslash, or pasted), and keys
// for questions. While an answer streams it is silent, and what is typed meanwhile appears when it is open again.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { createInterface, type Interface } from "node:readline"
import { Writable } from "node:stream"
import type { Key, Keys } from "./keys.ts"
import type { Screen } from "./screen.ts"

const MAX_HISTORY = 1000
const PASTE_ON = "\x1b[?2004h"
const PASTE_OFF = "\x1b[?2004l"

export interface LineEditorOptions {
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
  out: Screen
  /** Where lines are remembered between conversations. */
  history: string
  complete(line: string): Promise<[string[], string]>
  /** Ctrl-C. Answers whether it was dealt with; otherwise the line is emptied. */
  interrupt(lineIsEmpty: boolean): void
  /** A whole message. */
  message(text: string): void
  /** End of input (Ctrl-D). */
  end(): void
}

export class LineEditor implements Keys {
  readonly #options: LineEditorOptions
  readonly #reader: Interface
  readonly #listeners = new Set<(key: Key) => void>()
  /** Stands before the prompt. */
  mark = ""
  #muted = false
  #pasting = false
  #closed = false
  /** Lines of a message that is not complete. */
  #lines: string[] = []

  constructor(options: LineEditorOptions) {
    this.#options = options
    const { stdin, stdout } = options
    const output = new Writable({
      write: (chunk: Buffer, _, done) => {
        if (!this.#muted) stdout.write(chunk)
        done()
      },
    })
    // readline asks its output for its size.
    Object.defineProperty(output, "columns", { get: () => stdout.columns })
    Object.defineProperty(output, "rows", { get: () => stdout.rows })
    this.#reader = createInterface({
      input: stdin,
      output,
      terminal: true,
      history: readHistory(options.history),
      historySize: MAX_HISTORY,
      removeHistoryDuplicates: true,
      completer: (line: string, done: (error: Error | null, result: [string[], string]) => void) => {
        options.complete(line).then(
          (result) => done(null, result),
          () => done(null, [[], line]),
        )
      },
    })
    stdout.write(PASTE_ON)
    stdin.on("keypress", this.#key)
    this.#reader.on("line", (line) => this.#line(line))
    this.#reader.on("history", (lines: string[]) => writeHistory(options.history, lines))
    this.#reader.on("SIGINT", () => this.#interrupt())
    this.#reader.on("close", () => {
      if (!this.#closed) options.end()
    })
  }

  /** Opens the line: shows the prompt and what was typed so far. */
  open(): void {
    this.#muted = false
    const more = this.#lines.length > 0
    const { out } = this.#options
    this.#reader.setPrompt(out.paint(this.mark, "red", "bold") + out.paint(more ? "… " : "> ", more ? "dim" : "bold"))
    this.#reader.prompt(true)
  }

  /** Silences the line while something else is written. */
  mute(): void {
    this.#muted = true
  }

  onKey(listener: (key: Key) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#closed = true
    this.#options.stdin.off("keypress", this.#key)
    this.#options.stdout.write(PASTE_OFF)
    this.#reader.close()
  }

  readonly #key = (_: string | undefined, key: Key): void => {
    if (key.name === "paste-start") this.#pasting = true
    else if (key.name === "paste-end") this.#pasting = false
    if (this.#listeners.size === 0) return
    // Keys that answer a question are no part of a message.
    this.#empty()
    for (const listener of [...this.#listeners]) listener(this.#pasting ? { ...key, pasted: true } : key)
  }

  #empty(): void {
    this.#reader.write(null, { ctrl: true, name: "e" })
    this.#reader.write(null, { ctrl: true, name: "u" })
  }

  #line(line: string): void {
    if (this.#listeners.size > 0) return
    if (this.#pasting || line.endsWith("\\")) {
      this.#lines.push(this.#pasting ? line : line.slice(0, -1))
      if (!this.#muted) this.open()
      return
    }
    const text = [...this.#lines, line].join("\n")
    this.#lines = []
    this.#options.message(text)
  }

  #interrupt(): void {
    const empty = this.#reader.line === "" && this.#lines.length === 0
    this.#lines = []
    this.#empty()
    this.#options.interrupt(empty)
  }
}

function readHistory(path: string): string[] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .slice(-MAX_HISTORY)
      .reverse()
  } catch {
    // The first conversation on this home.
    return []
  }
}

/** `lines`: newest first, as readline keeps them. A history that cannot be kept spoils no conversation. */
function writeHistory(path: string, lines: readonly string[]): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(path, `${[...lines].reverse().join("\n")}\n`, { mode: 0o600 })
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error
  }
}
