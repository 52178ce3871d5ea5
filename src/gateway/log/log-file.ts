// The file that the log is written to. It is put aside by size, under the time when that was; what was put aside is deleted by number and
// age. A disk that takes nothing more costs lines, never the gateway: the file is opened again later and says how many were lost.
// Lines are gathered for a moment, so that a turn does not cost a write of its own; warnings and errors go out at once, with all before them.
import { basename, dirname } from "node:path"
import { createStream, type RotatingFileStream } from "rotating-file-stream"
import { pruneLogs } from "../../base/log-file.ts"

export interface LogFileOptions {
  path: string
  maxBytes: number
  /** Files that were put aside: how many, and for how many days (0: for ever). */
  maxFiles: number
  maxDays: number
  compress: boolean
  /** Where people read along; undefined for none. */
  terminal?: ((line: string) => void) | undefined
  /** How long to wait before a file that failed is opened again. */
  retryMs?: number
}

const RETRY_MS = 5_000
const GATHER_MS = 100
const GATHER_CHARS = 64 * 1024
const FIRST_PRUNE_MS = 60_000
const DAY_MS = 86_400_000

export class LogFile {
  readonly #options: LogFileOptions
  readonly #pruning: NodeJS.Timeout
  #file: RotatingFileStream | undefined
  #lost = 0
  #gathered: string[] = []
  #chars = 0
  #gathering: NodeJS.Timeout | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: LogFileOptions) {
    this.#options = options
    this.#file = this.#open()
    this.#pruning = setInterval(() => this.#prune(), DAY_MS)
    this.#pruning.unref()
    setTimeout(() => this.#prune(), FIRST_PRUNE_MS).unref()
  }

  /** `urgent`: somebody will want to read it even if the process ends now. */
  write(line: string, urgent = true): void {
    this.#gathered.push(line)
    this.#chars += line.length
    if (urgent || this.#chars > GATHER_CHARS) this.#flush()
    else this.#gathering ??= setTimeout(() => this.#flush(), GATHER_MS)
  }

  #flush(): void {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    if (this.#gathered.length === 0) return
    if (this.#file) this.#file.write(this.#gathered.join(""))
    else this.#lost += this.#gathered.length
    this.#gathered = []
    this.#chars = 0
  }

  /** Resolves when what was written is in the file. */
  close(): Promise<void> {
    this.#closed = true
    this.#flush()
    clearInterval(this.#pruning)
    clearTimeout(this.#timer)
    const file = this.#file
    return file ? new Promise((resolve) => file.end(() => resolve())) : Promise.resolve()
  }

  #open(): RotatingFileStream {
    const { path, maxBytes, compress } = this.#options
    const name = basename(path)
    const ending = compress ? ".gz" : ""
    const file = createStream((time, index) => (time ? `${name}.${stampOf(time, index)}${ending}` : name), {
      path: dirname(path),
      size: `${maxBytes}B`,
      mode: 0o600,
      ...(compress ? { compress: "gzip" } : {}),
    })
    file.on("rotated", () => this.#prune())
    file.on("error", (error: Error) => this.#failed(file, error))
    return file
  }

  #failed(file: RotatingFileStream, error: Error): void {
    if (this.#file !== file) return
    this.#file = undefined
    this.#options.terminal?.(`The log file cannot be written: ${error.message}`)
    if (this.#closed) return
    this.#timer = setTimeout(() => this.#reopen(), this.#options.retryMs ?? RETRY_MS)
    this.#timer.unref()
  }

  #reopen(): void {
    const lost = this.#lost
    this.#lost = 0
    this.#file = this.#open()
    if (lost === 0) return
    const line = {
      level: 40,
      time: new Date().toISOString(),
      lost,
      msg: "Lines were lost: the log file could not be written",
    }
    this.write(`${JSON.stringify(line)}\n`)
  }

  #prune(): void {
    try {
      pruneLogs(this.#options.path, this.#options, Date.now())
    } catch (error) {
      this.#options.terminal?.(
        `Old log files cannot be deleted: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }
}

/** "20261121-090807" in UTC; a second one of the same second has a number. */
function stampOf(time: number | Date, index = 1): string {
  const at = new Date(time).toISOString().replaceAll(/[-:]/g, "").replace("T", "-").slice(0, 15)
  return index > 1 ? `${at}-${index}` : at
}
