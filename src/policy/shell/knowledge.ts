// What a program would do with these arguments: run code, start another program, run scripts. Everything that the tables in
// programs.ts do not allow is code.
import {
  ALWAYS_CODE,
  CODE_OPTIONS,
  INTERPRETERS,
  OUTPUT_OPTIONS,
  PACKAGE_RUNNERS,
  TAR,
  WRAPPERS,
  WRITERS,
  type Wrapper,
} from "./programs.ts"
import { whyAwkRuns, whySedRuns } from "./small-languages.ts"

export type Words = readonly (string | null)[]

export interface Finding {
  /** Why it is code. */
  interprets?: string
  /** The program that it starts. */
  inner?: { words: Words; assignments: { name: string; value: string | null }[] }
  /** It does nothing but start that. */
  wraps?: boolean
  /** Files that it runs, as they stand in its arguments: not there is not known. */
  scripts?: string[]
  /** Files that decide what it runs: those of the nearest folder upward that has one of the anchors. */
  project?: { anchors: string[]; also: string[] }
  /** Every path among its arguments may be changed. */
  writes?: boolean
}

/** `names`: under which it may be known; the answer is the worst of all. */
export function knowledgeOf(names: readonly string[], args: Words): Finding {
  const all = [...new Set(names.flatMap((name) => [name, plainName(name)]))]
  const found = all.map((name) => about(name, args)).filter((one) => one !== undefined)
  return (
    found.find((one) => one.interprets !== undefined) ?? found.find((one) => one.scripts ?? one.wraps) ?? found[0] ?? {}
  )
}

/** "python3.11" is python, "vim.basic" is vim, "gcc-12" is gcc. */
function plainName(name: string): string {
  return name.replace(/\.(?:basic|tiny|nox|gtk\d?|exe|traditional|openbsd)$/, "").replace(/-?\d[\d.]*$/, "") || name
}

function about(name: string, args: Words): Finding | undefined {
  if (ALWAYS_CODE.has(name) || name.startsWith("docker-") || name.startsWith("git-"))
    return { interprets: name, ...innerOfCode(name, args) }
  const interpreter = INTERPRETERS.find((one) => one.names.includes(name))
  if (interpreter) return interpreterFinding(name, args, interpreter)
  const wrapper = WRAPPERS.find((one) => one.names.includes(name))
  if (wrapper) return wrapperFinding(name, args, wrapper)
  switch (name) {
    case "find":
      return findFinding(args)
    case "awk":
    case "gawk":
    case "mawk":
    case "nawk":
    case "original-awk":
      return reasonFinding(name, whyAwkRuns(args))
    case "sed":
    case "gsed":
      return {
        ...reasonFinding("sed", whySedRuns(args)),
        writes: args.some((word) => word === null || /^-[a-zA-Z]*i|^--in/.test(word)),
      }
    case "tar":
    case "bsdtar":
    case "gtar":
      return { ...reasonFinding("tar", whyTarRuns(args)), writes: true }
    case "make":
    case "gmake":
      return makeFinding(args)
    case "dd":
      return { writes: true }
  }
  if (name in PACKAGE_RUNNERS) return packageFinding(name, args)
  return optionsFinding(name, args)
}

function reasonFinding(name: string, why: string | undefined): Finding {
  return why === undefined ? {} : { interprets: `${name} ${why}`.trimEnd() }
}

/** sudo and xargs are code, yet what they start is worth showing. */
function innerOfCode(name: string, args: Words): Finding {
  const first = args[0]
  if (!["sudo", "doas", "xargs"].includes(name) || first === undefined || first === null || first.startsWith("-"))
    return {}
  return { inner: { words: name === "xargs" ? [...args, null] : args, assignments: [] } }
}

function interpreterFinding(name: string, args: Words, { plain, info }: (typeof INTERPRETERS)[number]): Finding {
  if (args.length === 1 && info.includes(args[0] ?? "")) return {}
  for (const word of args) {
    if (word === null) return { interprets: `${name} with arguments that are only known when it runs` }
    if (plain.includes(word)) continue
    if (word === "-" || word.startsWith("/dev/") || word.startsWith("/proc/")) break
    // "+x" is an option of shells.
    if (word.startsWith("-") || word.startsWith("+")) return { interprets: `${name} ${word.slice(0, 40)}` }
    return { scripts: [word] }
  }
  return { interprets: `${name} from its input` }
}

function wrapperFinding(name: string, args: Words, wrapper: Wrapper): Finding {
  const start = skipOptions(args, wrapper)
  if (start === undefined) return { interprets: `${name} with options that are not known` }
  let at = start
  const assignments: { name: string; value: string | null }[] = []
  for (; wrapper.assigns && at < args.length; at++) {
    const set = /^([^=]+)=(.*)$/s.exec(args[at] ?? "")
    if (!set) break
    assignments.push({ name: set[1]!, value: set[2]! })
  }
  if (args.slice(at, at + wrapper.operands).some((word) => word === null || word === undefined))
    return { interprets: name }
  const words = args.slice(at + wrapper.operands)
  if (words.length === 0) return name === "env" || name === "nice" ? {} : { interprets: name }
  if (words[0] === null) return { interprets: name }
  return { inner: { words, assignments }, wraps: true }
}

/** Where options end; undefined when one is not listed. */
function skipOptions(args: Words, { short, long }: Wrapper): number | undefined {
  for (let at = 0; at < args.length; at++) {
    const word = args[at]
    if (word === null || word === undefined) return undefined
    if (word === "--") return at + 1
    if (!word.startsWith("-")) return at
    if (word.startsWith("--")) {
      const [option, value] = [word.slice(2).split("=", 1)[0]!, word.includes("=")]
      if (value ? !long.includes(`${option}=`) : !long.includes(option) && !long.includes(`${option}=`))
        return undefined
      if (!value && long.includes(`${option}=`)) at++
      continue
    }
    const takesNext = cluster(word.slice(1), short)
    if (takesNext === undefined) return undefined
    if (takesNext) at++
  }
  return args.length
}

function cluster(letters: string, short: string): boolean | undefined {
  if (letters === "") return undefined
  for (let at = 0; at < letters.length; at++) {
    const found = letters[at] === ":" ? -1 : short.indexOf(letters[at]!)
    if (found < 0) return undefined
    if (short[found + 1] === ":") return at === letters.length - 1
  }
  return false
}

function findFinding(args: Words): Finding {
  const at = args.findIndex((word) => word !== null && /^-(?:exec|execdir|ok|okdir)$/.test(word))
  const writes = args.some((word) => word !== null && /^-(?:delete|fprint|fprint0|fprintf|fls)$/.test(word))
  if (at < 0) return { writes }
  const end = args.findIndex((word, index) => index > at && (word === ";" || word === "+"))
  const words = args.slice(at + 1, end < 0 ? undefined : end).map((word) => (word?.includes("{}") ? null : word))
  return { interprets: `find ${args[at]}`, writes, ...(words.length > 0 ? { inner: { words, assignments: [] } } : {}) }
}

function whyTarRuns(args: Words): string | undefined {
  for (let at = 0; at < args.length; at++) {
    const word = args[at]
    if (word === null || word === undefined) return "with arguments that are only known when it runs"
    if (word.startsWith("--")) {
      if (!TAR.long.includes(word.split("=", 1)[0]!)) return word.slice(0, 40)
    } else if (word.startsWith("-") || at === 0) {
      for (const letter of word.replace(/^-/, "")) {
        if (!TAR.short.includes(letter)) return word.slice(0, 40)
        if (word.startsWith("-") && TAR.valued.includes(letter)) break
      }
    }
  }
  // "host:file" is fetched from another machine by a program.
  return args.some((word) => word !== null && /^[^/]+:/.test(word)) ? "from another machine" : undefined
}

function makeFinding(args: Words): Finding {
  const plain = args.every(
    (word) => word !== null && (/^[\w./][\w./-]*$/.test(word) || /^-(?:s|k|B|n|j\d*|l)$/.test(word)),
  )
  return plain
    ? { project: { anchors: ["Makefile", "makefile", "GNUmakefile"], also: [] } }
    : { interprets: "make with options or variables" }
}

function packageFinding(name: string, args: Words): Finding {
  const { run, scripts, look } = PACKAGE_RUNNERS[name]!
  const quiet = args.filter((word) => word !== "--silent" && word !== "-s")
  const [sub, script] = quiet
  if (sub === "--version" || sub === "-v") return {}
  if (typeof sub !== "string") return { interprets: name }
  const own = scripts.includes(sub)
  const named = run.includes(sub) && typeof script === "string" && /^[\w@][\w:@./-]*$/.test(script)
  const rest = quiet.slice(own ? 1 : 2)
  if (look.includes(sub) && quiet.slice(1).every((word) => word !== null && !word.startsWith("-"))) return {}
  // What stands after "--" goes to the script as it is.
  if (!(own || named) || (rest.length > 0 && rest[0] !== "--")) return { interprets: `${name} ${sub.slice(0, 40)}` }
  return { project: { anchors: ["package.json"], also: [".npmrc", ".yarnrc.yml", ".yarnrc", ".pnpmfile.cjs"] } }
}

function optionsFinding(name: string, args: Words): Finding | undefined {
  const code = CODE_OPTIONS.find((one) => one.names.includes(name))
  const option = code && args.find((word) => hasOption(word, code))
  if (option !== undefined) return { interprets: `${name} ${(option ?? "…").slice(0, 40)}` }
  const output = OUTPUT_OPTIONS[name]
  const writes = WRITERS.has(name) || (output !== undefined && args.some((word) => hasOption(word, output)))
  return code || writes ? { writes } : undefined
}

/** Whether a word is one of these options, in a cluster or abbreviated too. A word that is not known might be. */
export function hasOption(word: string | null, { short, long }: { short: string; long: readonly string[] }): boolean {
  if (word === null) return true
  if (word.startsWith("--")) {
    const name = word.split("=", 1)[0]!
    return name.length > 3 && long.some((one) => one.startsWith(name))
  }
  return word.startsWith("-") && [...short].some((letter) => word.slice(1).includes(letter))
}
