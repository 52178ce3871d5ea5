// From a word of the parser's tree to what it will be. The text is worked out here from the quotes, and must agree with the parser's:
// where the two differ the word counts as not known.
import type { SyntaxNode, WordPart as TreePart, Word } from "unbash"
import type { Shell, ShellWord, WordPart } from "./syntax.ts"

export interface WordReader {
  /** Substitutions below a node. */
  inside(node: SyntaxNode): Shell[]
  /** Says that bash syntax was used. */
  bashOnly(what: string): void
}

export function readWord(word: Word, reader: WordReader): ShellWord {
  const tree = word.parts ?? []
  const inside = tree.flatMap((part) => reader.inside(part))
  return { source: word.text, parts: partsOf(word, tree, reader), inside }
}

/** Parts of a text that only some expansions apply to: the body of a here-document. */
export function whyNotFixed(tree: readonly TreePart[]): string | undefined {
  return tree.find((part) => part.type !== "Literal") === undefined ? undefined : "expansion in a here-document"
}

function partsOf(word: Word, tree: readonly TreePart[], reader: WordReader): WordPart[] {
  const parts =
    tree.length === 0
      ? unquoted(word.text, true)
      : tree.flatMap((part, at) => partOf(part, at === 0, tree.length > 1, reader))
  const bare = tree.length === 0 ? word.text : tree.map((part) => (part.type === "Literal" ? part.text : "")).join("")
  if (/(?<!\\)\{/.test(bare) && /,|\.\./.test(bare)) return [run("brace expansion")]
  if (/[=:]~/.test(bare)) return [run("a home folder (~)")]
  if (parts.every((part) => part.type === "text") && parts.map((part) => part.text).join("") !== word.value)
    return [run("quotes that could not be worked out")]
  return parts
}

function run(why: string): WordPart {
  return { type: "run", why }
}

function text(value: string): WordPart {
  return { type: "text", text: value }
}

function partOf(part: TreePart, first: boolean, more: boolean, reader: WordReader): WordPart[] {
  switch (part.type) {
    case "Literal":
      // In ~'x' the quote takes the meaning away, or gives it another: not worth knowing.
      if (first && more && /^~[^/]*$/.test(part.text)) return [run("a home folder (~)")]
      return unquoted(part.text, first)
    case "SingleQuoted":
      return [/^'[^']*'$/.test(part.text) ? text(part.text.slice(1, -1)) : run("quotes that could not be worked out")]
    case "DoubleQuoted":
      return [
        text(""),
        ...part.parts.flatMap((one, at) =>
          one.type === "Literal" ? inDouble(one.text, at === part.parts.length - 1) : expansion(one, true),
        ),
      ]
    case "AnsiCQuoted":
      reader.bashOnly("$'…'")
      return [ansiC(part.text)]
    case "LocaleString":
      reader.bashOnly('$"…"')
      return [run("translated text")]
    case "Glob":
      return [run("file name pattern")]
    case "ExtendedGlob":
    case "BraceExpansion":
      reader.bashOnly(part.type === "BraceExpansion" ? "{…}" : "extended pattern")
      return [run(part.type === "BraceExpansion" ? "brace expansion" : "file name pattern")]
    case "ProcessSubstitution":
      reader.bashOnly("process substitution")
      return [run("process substitution")]
    default:
      return expansion(part, false)
  }
}

type Expansion = Exclude<
  TreePart,
  {
    type:
      | "Literal"
      | "SingleQuoted"
      | "DoubleQuoted"
      | "AnsiCQuoted"
      | "LocaleString"
      | "Glob"
      | "ExtendedGlob"
      | "BraceExpansion"
      | "ProcessSubstitution"
  }
>

function expansion(part: Expansion, quoted: boolean): WordPart[] {
  switch (part.type) {
    case "SimpleExpansion":
      return [plainVariable(part.text.slice(1), quoted)]
    case "ParameterExpansion":
      if (part.text === `\${${part.parameter}}`) return [plainVariable(part.parameter, quoted)]
      return [run("parameter expansion")]
    case "CommandExpansion":
      return [run("command substitution")]
    case "ArithmeticExpansion":
      return [run("arithmetic")]
    default:
      return [run(unexpected(part))]
  }
}

function unexpected(part: never): string {
  return `unknown syntax ${JSON.stringify(part)}`
}

function plainVariable(name: string, quoted: boolean): WordPart {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? { type: "variable", name, quoted } : run("parameter expansion")
}

/** Characters outside of quotes: a backslash takes the next as it is, patterns and "~" at the start stand for something else. */
function unquoted(source: string, first: boolean): WordPart[] {
  const parts: WordPart[] = []
  let fixed = ""
  for (let at = 0; at < source.length; at++) {
    const char = source[at]!
    if (char === "\\") {
      at++
      if (at >= source.length) return [run("a backslash at the end")]
      if (source[at] !== "\n") fixed += source[at]!
    } else if (char === "~" && first && at === 0) {
      if (source.length > 1 && source[1] !== "/") return [run("a home folder (~)")]
      parts.push({ type: "home" })
    } else if (char === "*" || char === "?" || (char === "[" && source.indexOf("]", at) > 0)) {
      return [run("file name pattern")]
    } else if ("$`\"'".includes(char)) {
      return [run("quotes that could not be worked out")]
    } else fixed += char
  }
  return [...parts, text(fixed)]
}

/** Between double quotes a backslash only takes away the meaning of a few. `last`: the closing quote follows. */
function inDouble(source: string, last: boolean): WordPart[] {
  let fixed = ""
  for (let at = 0; at < source.length; at++) {
    const char = source[at]!
    const next = source[at + 1]
    if (char === "\\" && next !== undefined && '$`"\\\n'.includes(next)) {
      if (next !== "\n") fixed += next
      at++
    } else if (char === "`" || (char === "$" && !(last && next === undefined))) {
      // Shells differ in what an expansion is that was begun and not ended.
      return [run("quotes that could not be worked out")]
    } else fixed += char
  }
  return [text(fixed)]
}

/** Only the escapes that cannot be mistaken; octal, hexadecimal and control characters are how things are hidden. */
function ansiC(source: string): WordPart {
  const plain: Readonly<Record<string, string>> = { n: "\n", t: "\t", "\\": "\\", "'": "'", '"': '"' }
  const body = source.slice(2, -1)
  const known = /^(?:[^\\]|\\[nt\\'"])*$/.test(body)
  return known ? text(body.replace(/\\(.)/g, (_, char: string) => plain[char] ?? char)) : run("escapes in $'…'")
}
