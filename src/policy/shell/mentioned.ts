// A line that is not fully known before it runs (code in an argument, eval, a pattern as a program) still names files whose content decides
// what it does. Those that look like code are part of what is judged, so that an approval does not outlive a change of them (A26).
import { basename, dirname, extname, isAbsolute, resolve } from "node:path"
import type { CommandSegment } from "../command.ts"
import type { Disk } from "./disk.ts"
import { isSystem, realTarget } from "./places.ts"

const MAX_FILES = 64
const MAX_WORDS = 4_000
/** Of a line with more words, each is only looked for as it stands. */
const FEW_WORDS = 400
const MAX_NAMES = 2_000
const CODE =
  /^\.(?:sh|bash|zsh|ksh|fish|py|pyw|js|mjs|cjs|ts|mts|cts|jsx|tsx|rb|pl|pm|php|lua|tcl|awk|sed|jq|r|jl|mk|make|cmake|gradle|ex|exs|sql)$/i
const CODE_NAMES = /^(?:GNU)?[Mm]akefile$|^(?:Rakefile|Justfile|justfile|Jenkinsfile)$/
/** What a word without an ending may be as a module. */
const MODULES = ["", ".py", "/__main__.py", ".js", "/index.js"]

export interface Mention {
  text: string
  /** Where the line starts. */
  cwd: string
  env: Readonly<Record<string, string>>
  segments: readonly CommandSegment[]
  disk: Disk
}

/** Files that the text names, anywhere in it, with the hash of their content. Those that are counted already are left out. */
export async function mentionedScripts(mention: Mention): Promise<CommandSegment["scripts"]> {
  const { disk, segments } = mention
  const known = new Set(segments.flatMap(({ scripts }) => scripts.map(({ path }) => path)))
  const fed = segments.some(isFed)
  const found: { path: string; sha256: string }[] = []
  for (const path of await candidates(mention)) {
    if (found.length >= MAX_FILES) break
    if (known.has(path) || isSystem(path) || /^\/(?:proc|sys|dev)\//.test(path) || !(fed || (await isCode(path, disk))))
      continue
    known.add(path)
    const sha256 = await disk.hash(path)
    if (sha256 !== null) found.push({ path, sha256 })
  }
  return found
}

/** Runs text out of files of any name: what they hold is code whatever they are called. */
function isFed({ argv, interprets, name }: CommandSegment): boolean {
  return (
    /from its input/.test(interprets ?? "") || name === "." || name === "source" || name === "eval" || argv[0] === null
  )
}

/** Existing files, links resolved, that the words of the text may mean in any folder where a part of it runs. */
async function candidates({ cwd, disk, env, segments, text }: Mention): Promise<Set<string>> {
  const folders = [...new Set([cwd, ...segments.flatMap((one) => (one.cwd === null ? [] : [one.cwd]))])]
  const paths = new Set<string>()
  const words = wordsOf(text, cwd, env)
  const endings = words.length > FEW_WORDS ? [""] : MODULES
  for (const word of words)
    for (const folder of isAbsolute(word) ? [""] : folders)
      for (const name of await namesOf(word, folder, endings, disk)) {
        if ((await disk.look(`${folder}/${name}`))?.type !== "file") continue
        const target = await realTarget(name, folder || "/", disk)
        if (target !== null) paths.add(target)
      }
  return paths
}

function wordsOf(text: string, cwd: string, env: Readonly<Record<string, string>>): string[] {
  const home = env["HOME"] ?? "/"
  const plain = text
    .replaceAll(/\$(?:PWD\b|\{PWD\})/g, cwd)
    .replaceAll(/\$(?:HOME\b|\{HOME\})|(?<=^|[\s"'=:])~(?=\/)/g, home)
  const words = plain.split(/[\s"'`;&|<>(){}=,:\\]+/).filter((word) => word !== "" && word.length < 1_000)
  return [...new Set(words)].slice(0, MAX_WORDS)
}

/** The word itself, as a module, or every name that it means as a pattern. */
async function namesOf(word: string, folder: string, endings: readonly string[], disk: Disk): Promise<string[]> {
  if (!/[*?[]/.test(word)) return endings.map((ending) => word + ending)
  const above = dirname(word)
  if (/[*?[]/.test(above)) return []
  const names = (await disk.list(resolve(folder || "/", above))) ?? []
  return names
    .slice(0, MAX_NAMES)
    .filter((name) => isMeant(basename(word), name))
    .map((name) => `${above}/${name}`)
}

/** A coarse reading of a pattern: a set of characters stands for anything. Too many is as good. */
function isMeant(pattern: string, name: string): boolean {
  const parts = pattern.split(/\*|\[[^\]]*\]?|\?/)
  let at = 0
  for (const [i, part] of parts.entries()) {
    const next = i === 0 ? (name.startsWith(part) ? 0 : -1) : name.indexOf(part, at)
    if (next < 0) return false
    at = next + part.length
  }
  return name.endsWith(parts.at(-1)!)
}

async function isCode(path: string, disk: Disk): Promise<boolean> {
  if (CODE.test(extname(path)) || CODE_NAMES.test(basename(path))) return true
  if ((await disk.look(path))?.executable === true) return true
  return (await disk.read(path, 2))?.toString("latin1") === "#!"
}
