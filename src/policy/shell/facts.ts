// From a line of shell to what it would do: every simple command in it, wherever it stands, with the program that each starts. Walks
// the syntax in the order in which the shell would, and keeps what changes on the way (the folder). Bounded; never throws for a text.
import { basename, isAbsolute } from "node:path"
import type { CommandFacts, CommandSegment } from "../command.ts"
import { isPlainVariable } from "../dangerous-variables.ts"
import { isBuiltin, type ShellKind, shellKind, whyBuiltinMatters } from "./builtins.ts"
import { type Disk, disk as realDisk } from "./disk.ts"
import { mentionedScripts } from "./mentioned.ts"
import { parseShell } from "./parse.ts"
import { realTarget } from "./places.ts"
import { emptyDraft, judgeProgram, type SegmentDraft, type SegmentSetting } from "./segment.ts"
import type { Shell, ShellAssignment, ShellRedirection, ShellWord } from "./syntax.ts"

export interface FactsOptions {
  /** Where it runs, absolute, symlinks resolved. */
  cwd: string
  /** The whole environment that it would get. */
  env: Readonly<Record<string, string>>
  /** Path of the shell that would read it. */
  shell: string
  files?: Disk
}

const MAX_SEGMENTS = 200
const MAX_WORDS = 5_000

class TooMuch extends Error {}

/** What a line would do, as far as that is known before it runs. */
export async function commandFacts(text: string, options: FactsOptions): Promise<CommandFacts> {
  const disk = options.files ?? realDisk
  const real = await disk.real(options.shell)
  const kind = shellKind(basename(options.shell)) ?? (real === null ? undefined : shellKind(basename(real)))
  const named = (segments: readonly CommandSegment[]) =>
    mentionedScripts({ text, cwd: options.cwd, env: options.env, segments, disk })
  if (kind === undefined) return notUnderstood(text, `the grammar of the shell ${options.shell}`, await named([]))
  const parsed = await parseShell(text)
  if (parsed.type === "unknown") return notUnderstood(text, parsed.why, await named([]))
  const walk = new Walk(options, disk, kind)
  if (kind === "sh" && parsed.bashOnly.length > 0)
    walk.unknown.add(`bash syntax in ${options.shell}: ${parsed.bashOnly.join(", ")}`)
  try {
    await walk.node(parsed.script, { cwd: options.cwd })
  } catch (error) {
    if (!(error instanceof TooMuch)) throw error
    walk.unknown.add(error.message)
  }
  const { segments } = walk
  const open = walk.unknown.size > 0 ? segments.at(-1) : segments.find(({ interprets }) => interprets !== null)
  if (open) {
    segments[segments.indexOf(open)] = { ...open, scripts: [...open.scripts, ...(await named(segments))] }
  }
  return { text, segments, unknown: [...walk.unknown] }
}

/** Nothing is known but the files that its words name. */
function notUnderstood(text: string, why: string, scripts: CommandSegment["scripts"]): CommandFacts {
  const segments = scripts.length === 0 ? [] : [{ ...emptyDraft(null), scripts }]
  return { text, segments, unknown: [why] }
}

/** What a command before may have changed for those after it. */
interface Place {
  cwd: string | null
}

class Walk {
  readonly segments: CommandSegment[] = []
  readonly unknown = new Set<string>()
  readonly #setting: SegmentSetting
  readonly #kind: ShellKind
  #words = 0

  constructor({ env }: FactsOptions, disk: Disk, kind: ShellKind) {
    this.#kind = kind
    this.#setting = { env, disk, unknown: this.unknown }
  }

  async node(node: Shell, place: Place): Promise<void> {
    switch (node.type) {
      case "simple":
        return this.#simple(node, place)
      case "list":
        for (const item of node.items) await this.node(item.node, item.apart ? { ...place } : place)
        return
      case "and-or":
        return this.#andOr(node, place)
      case "pipeline":
        for (const item of node.items) await this.node(item, node.items.length > 1 ? { ...place } : place)
        return
      case "subshell":
        return this.node(node.body, { ...place })
      case "group":
        return this.node(node.body, place)
      case "branches":
        return this.#branches(node, place)
      case "redirected":
        await this.#bare(node.redirections, place)
        return this.node(node.body, place)
      case "test":
        if (node.unknown !== undefined) this.unknown.add(`a test with ${node.unknown}`)
        return this.#testWords(node.words, place)
      case "unknown":
        this.unknown.add(node.why)
        return this.#maybe(node.bodies, place)
      default:
        throw new TypeError(`Unknown syntax ${JSON.stringify(node satisfies never)}`)
    }
  }

  /** Within a chain of "&&" the folder is known, as nothing runs after a `cd` that failed; after it, only a `cd` at its start counts. */
  async #andOr({ items, operators }: Extract<Shell, { type: "and-or" }>, place: Place): Promise<void> {
    const either = operators.includes("||")
    let changed = false
    for (const [at, item] of items.entries()) {
      if (either && changed) place.cwd = null
      await this.node(item, place)
      changed ||= (at > 0 || either) && mayChangeFolder(item)
    }
    if (changed) place.cwd = null
  }

  /** Bodies that run never, once or often: what they change is not known afterwards, nor within them from the start. */
  async #branches({ bodies, words, variable }: Extract<Shell, { type: "branches" }>, place: Place): Promise<void> {
    for (const word of words) await this.#value(word, place)
    if (variable !== undefined && !/^[a-z_][a-z0-9_]*$/.test(variable)) this.unknown.add(`a loop that sets ${variable}`)
    await this.#maybe(bodies, place)
  }

  async #maybe(bodies: readonly Shell[], place: Place): Promise<void> {
    const changesFolder = bodies.some(mayChangeFolder)
    const within: Place = { cwd: changesFolder ? null : place.cwd }
    for (const body of bodies) await this.node(body, within)
    if (changesFolder) place.cwd = null
  }

  async #testWords(words: readonly ShellWord[], place: Place): Promise<void> {
    const argv: (string | null)[] = ["[["]
    for (const word of words) argv.push(await this.#value(word, place))
    await this.#push({ ...emptyDraft(place.cwd), argv, name: "[", builtin: true })
  }

  async #simple(node: Extract<Shell, { type: "simple" }>, place: Place): Promise<void> {
    const draft = emptyDraft(place.cwd)
    draft.assignments = await this.#assignments(node.assignments, place)
    for (const word of node.words) draft.argv.push(await this.#value(word, place))
    draft.redirections = await this.#redirections(node.redirections, place)
    if (node.words.length === 0 && node.assignments.length === 0 && node.redirections.length === 0) return
    await this.#command(draft, place)
  }

  /** A command whose words are known as far as they can be; also what a wrapper starts. */
  async #command(draft: SegmentDraft, place: Place): Promise<void> {
    const [first, ...args] = draft.argv
    if (draft.argv.length > 0 && first === null) this.unknown.add("which program runs")
    if (typeof first === "string" && isBuiltin(first, this.#kind)) return this.#builtin(draft, first, args, place)
    const { inner } = await judgeProgram(draft, this.#setting)
    await this.#push(draft)
    if (inner) await this.#inner(draft, inner, place)
  }

  async #inner(
    draft: SegmentDraft,
    inner: { words: readonly (string | null)[]; assignments: SegmentDraft["assignments"] },
    place: Place,
  ): Promise<void> {
    const next = {
      ...emptyDraft(place.cwd),
      argv: [...inner.words],
      assignments: [...draft.assignments, ...inner.assignments],
    }
    const [first] = next.argv
    // `timeout 5 echo` starts a program: what the shell has built in does not count.
    if (first === null) this.unknown.add("which program runs")
    const { inner: further } = await judgeProgram(next, this.#setting)
    await this.#push(next)
    if (further) await this.#inner(next, further, place)
  }

  async #builtin(draft: SegmentDraft, name: string, args: readonly (string | null)[], place: Place): Promise<void> {
    draft.builtin = true
    draft.name = name
    if (name === "command" || name === "builtin" || name === "exec") return this.#through(draft, name, args, place)
    if (name === "eval") draft.interprets = "eval"
    if (name === "." || name === "source") draft.interprets = name
    const why = whyBuiltinMatters(name, args)
    if (why !== undefined) this.unknown.add(why)
    if (name === "cd") await this.#cd(draft, args, place)
    await this.#push(draft)
  }

  /** `command X`, `builtin X`, `exec X`: X it is. */
  async #through(draft: SegmentDraft, name: string, args: readonly (string | null)[], place: Place): Promise<void> {
    const looksUp = name === "command" && (args[0] === "-v" || args[0] === "-V")
    const option = args[0] === null || args[0]?.startsWith("-") === true
    if (option && !looksUp) this.unknown.add(`${name} ${args[0] ?? "…"}`)
    if (name === "exec" && args.length === 0) this.unknown.add("exec redirects what comes after it")
    draft.wraps = !option && args.length > 0
    await this.#push(draft)
    if (!draft.wraps) return
    const next = { ...emptyDraft(place.cwd), argv: [...args], assignments: [...draft.assignments] }
    if (name === "exec") return this.#inner(draft, { words: args, assignments: [] }, place)
    await this.#command(next, place)
  }

  async #cd(draft: SegmentDraft, args: readonly (string | null)[], place: Place): Promise<void> {
    const { disk, env } = this.#setting
    const words = args[0] === "--" || args[0] === "-P" || args[0] === "-L" ? args.slice(1) : args
    const word = args.length === 0 ? env["HOME"] : words.length === 1 ? words[0] : null
    const named = typeof word === "string" && word !== "" && (args[0] === "--" || !word.startsWith("-"))
    const target =
      named && (place.cwd !== null || isAbsolute(word)) ? await realTarget(word, place.cwd ?? "/", disk) : null
    // Through a link, ".." leads elsewhere for the shell than for the disk.
    const plain =
      target !== null && !(word ?? "").split("/").includes("..") && (await disk.look(target))?.type === "folder"
    const up = target !== null && /^(?:\.\.\/?)+$/.test(word ?? "") && (await disk.look(target))?.type === "folder"
    if (target !== null) draft.paths = [target]
    if (!plain && !up) this.unknown.add("the folder after cd")
    place.cwd = plain || up ? target : null
  }

  async #assignments(list: readonly ShellAssignment[], place: Place): Promise<SegmentDraft["assignments"]> {
    const read: SegmentDraft["assignments"] = []
    for (const { name, value, inside } of list) {
      for (const script of inside) await this.#substituted(script, place)
      if (value === undefined) this.unknown.add(`an array or an addition to ${name}`)
      read.push({ name, value: value === undefined ? null : await this.#value(value, place) })
      if (!isPlainVariable(name)) this.unknown.add(`a value of its own for the variable ${name}`)
    }
    return read
  }

  async #bare(redirections: readonly ShellRedirection[], place: Place): Promise<void> {
    await this.#push({ ...emptyDraft(place.cwd), redirections: await this.#redirections(redirections, place) })
  }

  async #redirections(
    list: readonly ShellRedirection[],
    place: Place,
  ): Promise<CommandSegment["redirections"][number][]> {
    const read: CommandSegment["redirections"][number][] = []
    for (const { operator, target, variable, run, inside } of list) {
      for (const script of inside) await this.#substituted(script, place)
      if (variable !== undefined) this.unknown.add(`a redirection that sets ${variable}`)
      if (run !== undefined) this.unknown.add(run)
      const word = target === undefined ? undefined : await this.#value(target, place)
      if (operator.startsWith("<<")) read.push({ operator, target: null, writes: false })
      else if ((operator === ">&" || operator === "<&") && typeof word === "string" && /^(?:\d+-?|-)$/.test(word))
        continue
      else read.push(await this.#redirection(operator, word ?? null, place))
    }
    return read
  }

  async #redirection(
    operator: string,
    word: string | null,
    place: Place,
  ): Promise<CommandSegment["redirections"][number]> {
    const written = operator !== "<" && operator !== "<&"
    if (word !== null && /^\/dev\/(?:tcp|udp)\//.test(word)) {
      this.unknown.add(`a network connection through ${word.slice(0, 80)}`)
      return { operator, target: null, writes: written }
    }
    if (word === null || word === "" || (place.cwd === null && !isAbsolute(word))) {
      this.unknown.add("the file of a redirection")
      return { operator, target: null, writes: written }
    }
    if (/^\/dev\/(?:null|stdout|stderr|zero)$/.test(word)) return { operator, target: word, writes: false }
    const target = await realTarget(word, place.cwd ?? "/", this.#setting.disk)
    if (target === null) this.unknown.add("the file of a redirection")
    return { operator, target, writes: written }
  }

  /** A word's text, or null when it is only known when it runs. Substitutions in it are looked at on the way. */
  async #value(word: ShellWord, place: Place): Promise<string | null> {
    if (++this.#words > MAX_WORDS) throw new TooMuch("too many words")
    for (const script of word.inside) await this.#substituted(script, place)
    let text = ""
    for (const part of word.parts) {
      const value = part.type === "text" ? part.text : this.#expanded(part)
      if (value === null) return null
      text += value
    }
    return text
  }

  /** The home folder is known as long as nothing in the line sets it, and such is unknown anyway. */
  #expanded(part: Exclude<ShellWord["parts"][number], { type: "text" }>): string | null {
    const home = this.#setting.env["HOME"]
    const isHome = part.type === "home" || (part.type === "variable" && part.name === "HOME")
    if (isHome && home !== undefined && /^(?:\/[\w.-]+)+$/.test(home)) return home
    this.unknown.add(
      part.type === "run" ? part.why : part.type === "home" ? "a home folder (~)" : `the value of $${part.name}`,
    )
    return null
  }

  async #substituted(script: Shell, place: Place): Promise<void> {
    this.unknown.add("command substitution")
    await this.node(script, { ...place })
  }

  async #push(draft: SegmentDraft): Promise<void> {
    if (this.segments.length >= MAX_SEGMENTS) throw new TooMuch(`more than ${MAX_SEGMENTS} commands`)
    this.segments.push(draft)
  }
}

const FOLDER_CHANGERS: ReadonlySet<string> = new Set([
  "cd",
  "pushd",
  "popd",
  "command",
  "builtin",
  "eval",
  "source",
  ".",
])

/** Whether something in it may change the folder of the shell that runs it. */
function mayChangeFolder(node: Shell): boolean {
  switch (node.type) {
    case "simple": {
      const parts = node.words[0]?.parts
      if (parts === undefined) return false
      const name = parts.map((part) => (part.type === "text" ? part.text : "$")).join("")
      return name.includes("$") || FOLDER_CHANGERS.has(name)
    }
    case "list":
      return node.items.some((item) => !item.apart && mayChangeFolder(item.node))
    case "and-or":
      return node.items.some(mayChangeFolder)
    case "pipeline":
      return node.items.length === 1 && node.items.some(mayChangeFolder)
    case "subshell":
    case "test":
      return false
    case "group":
    case "redirected":
      return mayChangeFolder(node.body)
    case "branches":
    case "unknown":
      return node.bodies.some(mayChangeFolder)
    default:
      throw new TypeError(`Unknown syntax ${JSON.stringify(node satisfies never)}`)
  }
}
