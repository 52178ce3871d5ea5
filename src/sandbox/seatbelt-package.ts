// The package that writes rules for macOS's sandbox, in a program of its own (seatbelt-child.ts), started when rules are first needed. Which
// package, in which version, and the line that installs it beside Pincer.
import { type ChildProcess, fork } from "node:child_process"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { AskedRules } from "./seatbelt-rules.ts"

export const PACKAGE = "@anthropic-ai/sandbox-runtime"
/** Later ones may write other rules: each is looked at before it is used. */
export const PACKAGE_VERSION = "0.0.83"

export interface RulesQuestion {
  id: number
  asked: AskedRules
}
/** `isPackage`: it could not be loaded, or is another one. */
export type RulesAnswer = { id: number; command: string } | { id: number; fault: string; isPackage: boolean }

export type WrittenRules = { type: "rules"; rules: string } | { type: "fault"; fault: string; install?: string }

export interface RuleWriterOptions {
  /** Where the package is looked for, as an import there would; default: beside Pincer. */
  from?: string
  /** More arguments of the program's Node. */
  nodeArgs?: readonly string[]
  timeoutMs?: number
}

const HERE = import.meta.dirname
const TIMEOUT_MS = 20_000
/** Nobody can make a file there: the package puts rules about its working folder among those that are asked for. */
const NOWHERE = "/dev"
const SEARCH_PATH = "/usr/bin:/bin"
const WORD = /[A-Za-z0-9_./:=@+,-]+|'([^']*)'|"(')"/y

export class RuleWriter {
  readonly #options: RuleWriterOptions
  #child: ChildProcess | undefined
  #last = 0
  readonly #waiting = new Map<number, (answer: WrittenRules) => void>()

  constructor(options: RuleWriterOptions = {}) {
    this.#options = options
  }

  /** Never rejects. */
  rulesFor(asked: AskedRules): Promise<WrittenRules> {
    const child = (this.#child ??= this.#start())
    const id = ++this.#last
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#drop(child, `${PACKAGE} did not write rules in time`)
      }, this.#options.timeoutMs ?? TIMEOUT_MS)
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer)
        this.#waiting.delete(id)
        if (this.#waiting.size === 0) child.channel?.unref()
        resolve(answer)
      })
      child.channel?.ref()
      child.send({ id, asked } satisfies RulesQuestion, (error) => {
        if (error) this.#drop(child, `${PACKAGE} could not be asked: ${error.message}`)
      })
    })
  }

  close(): void {
    if (this.#child) this.#drop(this.#child, "The sandbox was closed")
  }

  #start(): ChildProcess {
    const entry = import.meta.url.endsWith(".ts") ? "seatbelt-child.ts" : "seatbelt-child.js"
    const { from = HERE, nodeArgs = [] } = this.#options
    const child = fork(fileURLToPath(new URL(`./${entry}`, import.meta.url)), [from, PACKAGE, PACKAGE_VERSION], {
      cwd: NOWHERE,
      env: { PATH: SEARCH_PATH },
      execArgv: ["--no-warnings", ...nodeArgs],
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    })
    child.on("message", (answer: RulesAnswer) => this.#waiting.get(answer.id)?.(read(answer)))
    child.on("error", (error) => this.#drop(child, `${PACKAGE} could not be started: ${error.message}`))
    child.on("exit", () => this.#drop(child, `${PACKAGE} ended without writing rules`))
    child.unref()
    child.channel?.unref()
    return child
  }

  /** The next question starts another. */
  #drop(child: ChildProcess, fault: string): void {
    if (this.#child !== child) return
    this.#child = undefined
    child.kill("SIGKILL")
    for (const settle of [...this.#waiting.values()]) settle({ type: "fault", fault })
  }
}

function read(answer: RulesAnswer): WrittenRules {
  if ("fault" in answer) {
    const { fault, isPackage } = answer
    if (!isPackage) return { type: "fault", fault: `${PACKAGE}: ${fault}` }
    return { type: "fault", fault: `${PACKAGE} ${PACKAGE_VERSION} is needed and is ${fault}`, install: installLine() }
  }
  const words = wordsOf(answer.command)
  const at = words?.findIndex((word, place) => place > 0 && !/^[A-Za-z_]\w*=/.test(word)) ?? -1
  const [program, flag, rules, ...rest] = words?.slice(at) ?? []
  const isKnown = words?.[0] === "env" && program === "/usr/bin/sandbox-exec" && flag === "-p" && rest.length === 3
  if (!isKnown || rules === undefined)
    return { type: "fault", fault: `${PACKAGE} wrote a command of a form that is not known` }
  return { type: "rules", rules }
}

/** Of a command line in single quotes and plain words, as the package writes it; undefined for any other. */
export function wordsOf(command: string): string[] | undefined {
  const words: string[] = []
  let word: string | undefined
  let at = 0
  while (at < command.length) {
    WORD.lastIndex = at
    const found = WORD.exec(command)
    if (found) word = (word ?? "") + (found[1] ?? found[2] ?? found[0])
    else if (command[at] !== " " || word === undefined) return undefined
    else {
      words.push(word)
      word = undefined
    }
    at += found ? found[0].length : 1
  }
  return word === undefined ? words : [...words, word]
}

/** Word for word, for the place where this Pincer is: installed for all, in a project, or a checkout. */
export function installLine(root: string = join(HERE, "..", "..")): string {
  const what = `--ignore-scripts ${PACKAGE}@${PACKAGE_VERSION}`
  const modules = dirname(root)
  if (basename(modules) !== "node_modules") return `npm ci --prefix ${shellWord(root)}`
  const place = dirname(modules)
  if (basename(place) === "lib") return `npm install --global --prefix ${shellWord(dirname(place))} ${what}`
  return `npm install --prefix ${shellWord(place)} --save-exact ${what}`
}

function shellWord(text: string): string {
  return /^[\w./@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
