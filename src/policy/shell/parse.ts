// Text to syntax. The parser is loaded when the first command is judged; its tree is turned into our own union at once. It mends what
// is wrong where it can, so that any error it reports makes the whole line unknown. Bounded: length, depth and number of nodes.
import type {
  AndOr,
  Assignment,
  CommandNode,
  CompoundList,
  ParsedScript,
  Pipeline,
  Redirection,
  Statement,
  SyntaxNode,
  TestExpression,
  Word,
} from "unbash"
import type { Shell, ShellAssignment, ShellRedirection, ShellWord } from "./syntax.ts"
import { readWord, whyNotFixed } from "./words.ts"

const MAX_CHARS = 65_536
const MAX_DEPTH = 60
const MAX_NODES = 20_000

export type Parsed = { type: "known"; script: Shell; bashOnly: string[] } | { type: "unknown"; why: string }

type Parser = typeof import("unbash")
let loading: Promise<Parser> | undefined

/** Loops and retries ask about the same lines again and again. Whoever reads a syntax never changes it. */
const known = new Map<string, Parsed>()
const MAX_KNOWN = 256
const MAX_KNOWN_CHARS = 2_000

/** The syntax of a line, or why it has none that can be relied on. Never throws for what the text is. */
export async function parseShell(source: string): Promise<Parsed> {
  const before = known.get(source)
  if (before) return before
  const parsed = await readShell(source)
  if (source.length > MAX_KNOWN_CHARS) return parsed
  if (known.size >= MAX_KNOWN) known.clear()
  known.set(source, parsed)
  return parsed
}

async function readShell(source: string): Promise<Parsed> {
  const strange = strangeText(source)
  if (strange !== undefined) return { type: "unknown", why: strange }
  loading ??= import("unbash")
  const parser = await loading
  try {
    const reading = new Reading(parser)
    const script = reading.script(parser.parse(source))
    return { type: "known", script, bashOnly: [...reading.bashisms] }
  } catch (error) {
    if (error instanceof NotUnderstood) return { type: "unknown", why: error.message }
    if (error instanceof RangeError) return { type: "unknown", why: "nested too deeply" }
    throw error
  }
}

/** What is refused before anything is parsed: what people cannot see, and what shells read in ways of their own. */
function strangeText(source: string): string | undefined {
  if (source.length > MAX_CHARS) return `longer than ${MAX_CHARS} characters`
  if (source.includes("\0")) return "a NUL character"
  if (/[\u0001-\u0008\u000b-\u001f\u007f-\u009f]/.test(source)) return "a control character"
  if (/\p{Cf}|\p{Zl}|\p{Zp}|\p{Co}|\p{Cn}|\p{Variation_Selector}|\u115f|\u1160|\u3164|\uffa0|\u034f/u.test(source))
    return "an invisible character"
  if (/[^\S \t\n]/u.test(source)) return "a blank that is not a space"
  if (!source.isWellFormed()) return "broken Unicode"
  return undefined
}

class NotUnderstood extends Error {}

class Reading {
  readonly bashisms = new Set<string>()
  readonly #parser: Parser
  #depth = 0
  #nodes = 0

  constructor(parser: Parser) {
    this.#parser = parser
  }

  script(script: ParsedScript): Shell {
    const error = script.errors?.[0]
    if (error) throw new NotUnderstood(`unknown syntax at character ${error.pos + 1}: ${error.message}`)
    return this.#list(script.commands)
  }

  #count(): void {
    if (++this.#nodes > MAX_NODES) throw new NotUnderstood("too many parts")
  }

  #deeper<T>(read: () => T): T {
    this.#count()
    if (++this.#depth > MAX_DEPTH) throw new NotUnderstood("nested too deeply")
    const value = read()
    this.#depth--
    return value
  }

  #list(statements: readonly Statement[]): Shell {
    const items = statements.map((one) => ({ node: this.#chain(one.command), apart: one.background === true }))
    return { type: "list", items }
  }

  #body(list: CompoundList): Shell {
    return this.#deeper(() => this.#list(list.commands))
  }

  #chain(node: CommandNode | Pipeline | AndOr): Shell {
    return this.#deeper(() => {
      if (node.type === "AndOr") {
        return { type: "and-or", items: node.commands.map((one) => this.#chain(one)), operators: node.operators }
      }
      if (node.type !== "Pipeline") return this.#command(node)
      if (node.operators.includes("|&")) this.bashOnly("|&")
      if (node.prefixes.some((one) => one.type === "Time")) this.bashOnly("time")
      if (node.commands.length === 0) throw new NotUnderstood("a command without words")
      return { type: "pipeline", items: node.commands.map((one) => this.#command(one)) }
    })
  }

  #command(node: CommandNode): Shell {
    switch (node.type) {
      case "Command":
        return this.#simple(node)
      case "Redirected":
        return {
          type: "redirected",
          body: this.#command(node.command),
          redirections: node.redirects.map((one) => this.#redirection(one)),
        }
      case "Subshell":
        return { type: "subshell", body: this.#body(node.body) }
      case "BraceGroup":
        return { type: "group", body: this.#body(node.body) }
      case "If":
        return this.#branches([
          node.clause,
          node.then,
          ...node.elif.flatMap((one) => [one.clause, one.then]),
          ...(node.else ? [node.else] : []),
        ])
      case "While":
        return this.#branches([node.clause, node.body])
      case "For":
      case "Select":
        if (node.type === "Select") this.bashOnly("select")
        return this.#branches([node.body], [...(node.wordlist ?? [])], node.name.value)
      case "Case":
        if (node.items.some((one) => one.terminator === ";&" || one.terminator === ";;&")) this.bashOnly(";&")
        return this.#case(node)
      case "TestCommand":
        this.bashOnly("[[")
        return this.#test(node.expression)
      case "Function":
        return { type: "unknown", why: `a function named ${node.name.text}`, bodies: [this.#bodyOf(node.body)] }
      case "Coproc":
        return { type: "unknown", why: "a coprocess", bodies: [this.#bodyOf(node.body)] }
      case "ArithmeticFor":
      case "ArithmeticCommand":
        return { type: "unknown", why: "arithmetic", bodies: this.inside(node) }
      default:
        throw new NotUnderstood(`unknown syntax ${JSON.stringify(node satisfies never)}`)
    }
  }

  #bodyOf(body: CommandNode | CompoundList): Shell {
    return body.type === "CompoundList" ? this.#body(body) : this.#deeper(() => this.#command(body))
  }

  #simple(node: Extract<CommandNode, { type: "Command" }>): Shell {
    const assignments: ShellAssignment[] = []
    const words: ShellWord[] = node.name ? [this.#word(node.name)] : []
    for (const one of node.prefix) if (one.type === "Assignment") assignments.push(this.#assignment(one))
    for (const one of node.args) words.push(one.type === "Word" ? this.#word(one) : this.#declared(one))
    const redirections = node.redirects.map((one) => this.#redirection(one))
    return { type: "simple", assignments, words, redirections }
  }

  /** `export A=1`: the assignment is a word like others, known when it is plain. */
  #declared(node: Assignment): ShellWord {
    const inside = this.inside(node)
    const { value } = node
    if (value.type !== "Word" || node.index !== undefined || node.append) {
      return { source: node.text, parts: [{ type: "run", why: "an array" }], inside }
    }
    const read = this.#word(value)
    return { source: node.text, parts: [{ type: "text", text: `${node.name}=` }, ...read.parts], inside }
  }

  #assignment(node: Assignment): ShellAssignment {
    const { value } = node
    const plain = value.type === "Word" && node.index === undefined && !node.append
    if (!plain) this.bashOnly("arrays and +=")
    return { name: node.name, value: plain ? this.#word(value) : undefined, inside: plain ? [] : this.inside(node) }
  }

  #redirection(node: Redirection): ShellRedirection {
    this.#count()
    const variable = node.descriptor?.type === "FileDescriptorVariable" ? node.descriptor.name : undefined
    if (variable !== undefined) this.bashOnly("{name}>")
    if (node.type === "HereDoc") {
      if (!node.closing) throw new NotUnderstood("a here-document without an end")
      const { parts } = node.body
      const run = parts ? whyNotFixed(parts) : undefined
      return { operator: node.operator, target: undefined, variable, run, inside: this.inside(node) }
    }
    if (node.type === "HereString" || node.operator.startsWith("&>")) this.bashOnly(node.operator)
    if (node.target === undefined) throw new NotUnderstood("a redirection without a target")
    const target = this.#word(node.target)
    return { operator: node.operator, target, variable, run: undefined, inside: [] }
  }

  #branches(bodies: readonly CompoundList[], words: readonly Word[] = [], variable?: string): Shell {
    return {
      type: "branches",
      bodies: bodies.map((one) => this.#body(one)),
      words: words.map((one) => this.#word(one)),
      variable,
    }
  }

  #case(node: Extract<CommandNode, { type: "Case" }>): Shell {
    const inside = node.items.flatMap((item) => item.pattern.flatMap((one) => this.inside(one)))
    const read = this.#branches(
      node.items.map((one) => one.body),
      [node.word],
    )
    if (inside.length === 0) return read
    return { type: "unknown", why: "a pattern that is only known when it runs", bodies: [read, ...inside] }
  }

  #test(expression: TestExpression): Shell {
    const words: ShellWord[] = []
    let unknown: string | undefined
    const visit = (one: TestExpression): void =>
      this.#deeper(() => {
        if (one.type === "TestLogical") for (const operand of one.operands) visit(operand)
        else if (one.type === "TestNot") visit(one.operand)
        else if (one.type === "TestGroup") visit(one.expression)
        else if (one.type === "TestUnary") {
          // -v, -R and -o look at variables, whose subscripts are evaluated.
          if (!/^-[abcdefghknprstuwxzGLNOS]$/.test(one.operator)) unknown = `[[ ${one.operator}`
          words.push(this.#word(one.operand))
        } else {
          // Numbers are evaluated as arithmetic, in which anything can stand.
          if (!["=", "==", "!=", "<", ">", "-nt", "-ot", "-ef"].includes(one.operator)) unknown = `[[ ${one.operator}`
          words.push(this.#word(one.left), this.#word(one.right))
        }
      })
    visit(expression)
    return { type: "test", words, unknown }
  }

  #word(word: Word): ShellWord {
    return this.#deeper(() => readWord(word, this))
  }

  bashOnly(what: string): void {
    this.bashisms.add(what)
  }

  /** Every script below a node: substitutions, and the bodies of what is not looked at more closely. */
  inside(node: SyntaxNode): Shell[] {
    return this.#deeper(() => {
      if (node.type === "Script") return [this.script(node)]
      if (node.type === "Statement") return [this.#list([node])]
      const found: Shell[] = []
      this.#parser.forEachChild(node, (child) => found.push(...this.inside(child)))
      return found
    })
  }
}
