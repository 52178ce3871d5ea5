// Asking the person in front of the terminal whether a call may run. The exact command or path is shown, and the folder; one key
// answers. Somebody else may answer first, elsewhere.
import { emitKeypressEvents } from "node:readline"
import { PincerError } from "../base/errors.ts"
import type { ApprovalDecision } from "../protocol/approval.ts"
import type { GatewayClient } from "../protocol/client.ts"
import { inert } from "./inert.ts"
import type { Screen } from "./screen.ts"
import type { Question } from "./turn.ts"

export interface Keys {
  /** Calls `listener` for each key; the returned function ends it. */
  onKey(listener: (key: Key) => void): () => void
}

export interface Key {
  name?: string
  sequence?: string
  ctrl?: boolean
}

const ANSWERS: Readonly<Record<string, ApprovalDecision>> = { y: "allow-once", a: "allow-always", n: "deny" }
const SAID: Readonly<Record<ApprovalDecision, string>> = {
  "allow-once": "Yes, once",
  "allow-session": "Yes, also when exactly this is wanted again in this conversation",
  "allow-always": "Yes, and whenever this is wanted again",
  deny: "No",
}

/** Asks one question after the other. */
export class Asker {
  readonly #client: GatewayClient
  readonly #out: Screen
  readonly #keys: Keys
  readonly #answered = new Map<string, string>()
  readonly #waiting = new Map<string, (elsewhere: string) => void>()
  #line: Promise<void> = Promise.resolve()

  constructor(client: GatewayClient, out: Screen, keys: Keys) {
    this.#client = client
    this.#out = out
    this.#keys = keys
  }

  /** Resolves when every question is answered. */
  get idle(): Promise<void> {
    return this.#line
  }

  ask(question: Question): void {
    this.#line = this.#line.then(() => this.#one(question))
  }

  /** It was answered, here or elsewhere; or it ran out of time (null). */
  answered(id: string, decision: string | null): void {
    const words = decision ?? "nobody answered in time"
    this.#answered.set(id, words)
    this.#waiting.get(id)?.(words)
  }

  /** The turn is over: nobody waits for an answer any more. */
  stop(): void {
    for (const settle of [...this.#waiting.values()]) settle("canceled")
  }

  async #one(question: Question): Promise<void> {
    if (this.#answered.has(question.id)) return
    this.#show(question)
    const decision = await this.#decision(question)
    if (typeof decision !== "string") {
      this.#out.line(this.#out.paint(decision.elsewhere, "dim"))
      return
    }
    this.#out.line(this.#out.paint(SAID[decision], decision === "deny" ? "red" : "green"))
    try {
      await this.#client.request("exec.approval.resolve", { id: question.id, decision })
    } catch (error) {
      if (!(error instanceof PincerError)) throw error
      this.#out.line(this.#out.paint(`! ${inert(error.message)}`, "yellow"))
    }
  }

  #show({ tool, summary, reason, cwd }: Question): void {
    const out = this.#out
    out.line()
    out.line(
      `${out.paint("?", "yellow", "bold")} ${out.paint(`May ${inert(tool)} do this?`, "bold")}  ${out.paint(inert(reason), "dim")}`,
    )
    for (const line of inert(summary).split("\n")) out.line(`    ${out.paint(line, "yellow")}`)
    out.line(`    ${out.paint(`in ${inert(cwd)}`, "dim")}`)
    out.write(
      `  ${out.paint("[y]", "bold")} once  ${out.paint("[a]", "bold")} always for exactly this  ${out.paint("[n]", "bold")} no  `,
    )
  }

  #decision(question: Question): Promise<ApprovalDecision | { elsewhere: string }> {
    return new Promise((resolve) => {
      const settle = (result: ApprovalDecision | { elsewhere: string }) => {
        stopKeys()
        this.#waiting.delete(question.id)
        resolve(result)
      }
      const stopKeys = this.#keys.onKey((key) => {
        const answer = key.ctrl ? undefined : ANSWERS[(key.sequence ?? key.name ?? "").toLowerCase()]
        if (answer) settle(answer)
      })
      this.#waiting.set(question.id, (elsewhere) => settle({ elsewhere: `(${elsewhere})` }))
    })
  }
}

/** Keys of a terminal that nobody else reads, raw while somebody listens. Ctrl-C is passed on as SIGINT. */
export function terminalKeys(stdin: NodeJS.ReadStream): Keys {
  return {
    onKey(listener) {
      const heard = (_: string | undefined, key: Key) => {
        if (key.ctrl && key.name === "c") process.kill(process.pid, "SIGINT")
        else listener(key)
      }
      emitKeypressEvents(stdin)
      stdin.setRawMode(true)
      stdin.resume()
      stdin.on("keypress", heard)
      return () => {
        stdin.off("keypress", heard)
        stdin.setRawMode(false)
        stdin.pause()
      }
    },
  }
}
