// Agents that outlived the gateway: each running process is written down, and the next life ends those that are still there. Only what
// is proven to be the same process (its birth, or the mark that it carries) is touched.
import { isObject, parseJson } from "../../base/json.ts"
import type { Logger } from "../../base/log.ts"
import { endGroup } from "../../base/process.ts"
import { birthOf, endMarked } from "./marked.ts"

interface Written {
  pid: number
  born: string
  mark: string
}

export interface LeftoverPorts {
  log: Logger
  file: { read(): Promise<string | undefined>; write(text: string): Promise<void> } | undefined
}

const TERM_MS = 1_500

export class Leftovers {
  readonly #ports: LeftoverPorts
  readonly #now = new Map<number, Written>()
  #writing: Promise<void> = Promise.resolve()
  #swept: Promise<number> | undefined

  constructor(ports: LeftoverPorts) {
    this.#ports = ports
  }

  /** Ends what an earlier life left; once. Resolves with how many groups that were. Never rejects. */
  sweep(): Promise<number> {
    this.#swept ??= this.#sweep()
    return this.#swept
  }

  async add(pid: number, mark: string): Promise<void> {
    if (!this.#ports.file) return
    const born = (await birthOf(pid)) ?? ""
    this.#now.set(pid, { pid, born, mark })
    await this.#write()
  }

  async remove(pid: number): Promise<void> {
    if (this.#now.delete(pid)) await this.#write()
  }

  async #sweep(): Promise<number> {
    const { file, log } = this.#ports
    let ended = 0
    try {
      for (const { born, mark, pid } of entriesOf(await file?.read())) {
        const same = born !== "" && (await birthOf(pid)) === born
        if (same) await endGroup(pid, TERM_MS)
        const marked = await endMarked(mark, (ms) => new Promise((resolve) => setTimeout(resolve, ms)))
        if (same || marked > 0) ended += 1
      }
      if (ended > 0) log.warn({ groups: ended }, "Agents that an earlier gateway left running were ended")
    } catch (error) {
      log.warn({ err: error }, "Agents that an earlier gateway left could not be looked for")
    }
    return ended
  }

  #write(): Promise<void> {
    const { file, log } = this.#ports
    const write = async () => {
      try {
        await file?.write(JSON.stringify({ processes: [...this.#now.values()] }))
      } catch (error) {
        log.warn({ err: error }, "The list of running agents could not be written")
      }
    }
    this.#writing = this.#writing.then(write)
    return this.#writing
  }
}

function entriesOf(text: string | undefined): Written[] {
  if (text === undefined) return []
  let value: unknown
  try {
    value = parseJson(text)
  } catch (error) {
    // Cut off while it was written: nothing in it can be trusted.
    if (error instanceof SyntaxError) return []
    throw error
  }
  const list = isObject(value) && Array.isArray(value["processes"]) ? value["processes"] : []
  return list.flatMap((one): Written[] => {
    if (!isObject(one)) return []
    const { born, mark, pid } = one
    const good = typeof pid === "number" && Number.isSafeInteger(pid) && pid > 1
    return good && typeof born === "string" && typeof mark === "string" && mark !== "" ? [{ pid, born, mark }] : []
  })
}
