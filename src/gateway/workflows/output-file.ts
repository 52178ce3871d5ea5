// Outputs of programs: kept in memory up to a limit, beyond it in a file beside the run, which goes with it. Only the owner can read them.
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import { PincerError } from "../../base/errors.ts"
import { cut } from "../../base/text.ts"

/** More than this of one output is not kept: the program is ended. */
export const MAX_FILE = 1024 * 1024 * 1024
const PREVIEW = 2_000

export function outputFolder(root: string, runId: string): string {
  return join(root, runId.replace(/[^\w.-]+/g, "_"))
}

export function removeOutputs(root: string, runId: string): void {
  rmSync(outputFolder(root, runId), { recursive: true, force: true })
}

export class Output {
  readonly #max: number
  readonly #open: () => string
  readonly #limit: number
  #kept: Buffer[] = []
  #bytes = 0
  #file: { path: string; descriptor: number } | undefined

  /** `open` names a file that is not there yet; its folder is made. */
  constructor(max: number, open: () => string, limit: number = MAX_FILE) {
    this.#max = max
    this.#open = open
    this.#limit = limit
  }

  /** Throws TOO_LARGE beyond the hard limit, and what the disk throws. */
  add(bytes: Buffer): void {
    this.#bytes += bytes.length
    if (this.#bytes > this.#limit)
      throw new PincerError("TOO_LARGE", `The output is longer than ${this.#limit} bytes: let the program write a file`)
    if (this.#file) this.#write(bytes)
    else {
      this.#kept.push(bytes)
      if (this.#bytes > this.#max) this.#spill()
    }
  }

  #spill(): void {
    const path = this.#open()
    mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 })
    this.#file = { path, descriptor: openSync(path, "wx", 0o600) }
    for (const bytes of this.#kept) this.#write(bytes)
    this.#kept = [Buffer.concat(this.#kept).subarray(0, PREVIEW * 4)]
  }

  #write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file!.descriptor, bytes, at)
  }

  /** The text, or its beginning and where the whole lies. */
  end(): { text: string; spilled?: { file: string; bytes: number } } {
    const text = Buffer.concat(this.#kept).toString("utf8")
    if (!this.#file) return { text }
    closeSync(this.#file.descriptor)
    return { text: cut(text.replace(/\ufffd$/, ""), PREVIEW), spilled: { file: this.#file.path, bytes: this.#bytes } }
  }
}
