// One command with its words known: which program it is, what that does with them, which files count.
import { dirname, isAbsolute, join, resolve } from "node:path"
import type { CommandSegment } from "../command.ts"
import type { Disk } from "./disk.ts"
import { type GitFinding, gitFinding } from "./git.ts"
import { type Finding, knowledgeOf, type Words } from "./knowledge.ts"
import { type FoundProgram, findProgram, realTarget } from "./places.ts"
import { FOLDER_READERS } from "./programs.ts"

/** A segment that is being worked out. */
export type SegmentDraft = { -readonly [Key in keyof CommandSegment]: CommandSegment[Key] } & {
  argv: (string | null)[]
  assignments: { name: string; value: string | null }[]
}

export interface SegmentSetting {
  env: Readonly<Record<string, string>>
  disk: Disk
  /** What is not known of the line; added to. */
  unknown: Set<string>
}

export function emptyDraft(cwd: string | null): SegmentDraft {
  return {
    ...{
      argv: [],
      program: null,
      name: null,
      builtin: false,
      cwd,
      assignments: [],
      redirections: [],
      interprets: null,
    },
    ...{ wraps: false, scripts: [], paths: [], writes: [] },
  }
}

/** Programs whose first operand is a text or a pattern: it counts as a path only when something is there. */
const TEXT_FIRST: ReadonlySet<string> = new Set([
  ...[
    "sed",
    "awk",
    "gawk",
    "mawk",
    "grep",
    "egrep",
    "fgrep",
    "rg",
    "jq",
    "tr",
    "echo",
    "printf",
    "date",
    "expr",
    "basename",
    "dirname",
  ],
])
/** Programs whose options have no files as values, but characters such as "/". */
const NO_FILE_OPTIONS: ReadonlySet<string> = new Set([
  "cut",
  "tr",
  "awk",
  "gawk",
  "mawk",
  "date",
  "expr",
  "basename",
  "dirname",
  "paste",
])

/** Fills in the program and what it does; answers what it starts, if that is known. */
export async function judgeProgram(draft: SegmentDraft, setting: SegmentSetting): Promise<Pick<Finding, "inner">> {
  const [first, ...args] = draft.argv
  if (typeof first !== "string") return {}
  const { disk, env, unknown } = setting
  const search = await findProgram(first, { cwd: draft.cwd, path: env["PATH"], disk })
  if (search.type === "unknown") {
    unknown.add(search.why)
    draft.paths = await pathsIn(args, draft, disk, [])
    return {}
  }
  const { program } = search
  draft.program = program.path
  draft.name = program.names[0]!
  if (program.own) await addScript(draft, program.path, setting)
  const finding = program.names.includes("git")
    ? await gitSegment(draft, args, setting)
    : knowledgeOf(program.names, args)
  draft.interprets = finding.interprets ?? null
  draft.wraps = finding.wraps === true && !program.own
  for (const script of finding.scripts ?? []) await addOperand(draft, script, setting)
  if (finding.project) await addProject(draft, finding.project, setting)
  await addPaths(draft, args, program, finding, disk)
  return finding.inner ? { inner: finding.inner } : {}
}

async function gitSegment(draft: SegmentDraft, args: Words, setting: SegmentSetting): Promise<Finding> {
  if (draft.cwd === null) return { interprets: "git in a folder that is only known when it runs" }
  const found: GitFinding = await gitFinding(args, draft.cwd, setting.env["HOME"], setting.disk)
  for (const hook of found.scripts) await addOperand(draft, hook, setting)
  if (found.folder !== draft.cwd) draft.paths = [...draft.paths, found.folder]
  return { writes: found.writes, ...(found.interprets === undefined ? {} : { interprets: found.interprets }) }
}

async function addPaths(
  draft: SegmentDraft,
  args: Words,
  { names }: FoundProgram,
  finding: Finding,
  disk: Disk,
): Promise<void> {
  const paths = await pathsIn(args, draft, disk, names)
  const reads = names.some((name) => FOLDER_READERS.has(name)) && paths.length === 0 && draft.cwd !== null
  const own = reads && draft.cwd !== null && draft.paths.length === 0 ? [draft.cwd] : []
  const all = [...new Set([...draft.paths, ...paths, ...own])]
  draft.paths = all
  draft.writes = finding.writes ? (all.length > 0 ? all : draft.cwd === null ? [] : [draft.cwd]) : []
}

/** Whatever contains a slash or is there; of options the value. URLs are none. */
async function pathsIn(args: Words, { cwd }: SegmentDraft, disk: Disk, names: readonly string[]): Promise<string[]> {
  const found = new Set<string>()
  let textToCome = names.some((name) => TEXT_FIRST.has(name))
  const skipsOptions = names.some((name) => NO_FILE_OPTIONS.has(name))
  for (const [at, word] of args.entries()) {
    const isOption = word === null || word.startsWith("-")
    // `grep -f FILE PATTERN`.
    const isText = textToCome && !isOption && !/^-(?:[a-zA-Z]*f|-.*(?:file|from)[a-z-]*)$/.test(args[at - 1] ?? "")
    if (isText) textToCome = false
    for (const candidate of word === null || (isOption && skipsOptions) ? [] : candidates(word)) {
      if (cwd === null && !isAbsolute(candidate)) continue
      const target = await realTarget(candidate, cwd ?? "/", disk)
      if (target === null) continue
      const leads = (candidate.includes("/") && !isText) || target !== resolve(cwd ?? "/", candidate)
      if (leads || (await disk.look(target)) !== null) found.add(target)
    }
  }
  return [...found]
}

function candidates(word: string): string[] {
  if (word === "" || word.length > 4_096 || /^[a-z][a-z0-9+.-]*:\/\//i.test(word)) return []
  const isOption = word.startsWith("-")
  const values = isOption ? [] : [word]
  const equals = word.indexOf("=")
  if (equals >= 0) values.push(word.slice(equals + 1))
  const slash = word.indexOf("/")
  if (isOption && slash >= 0) values.push(word.slice(slash), word.slice(2))
  else if (isOption && !word.startsWith("--") && word.length > 2) values.push(word.slice(2))
  return values.filter((value) => value !== "" && value !== "-")
}

/** A script among the arguments. Not there, or not a regular file: what runs is not known. */
async function addOperand(draft: SegmentDraft, word: string, setting: SegmentSetting): Promise<void> {
  const { disk, unknown } = setting
  const known = isAbsolute(word) || draft.cwd !== null
  const path = known ? await realTarget(word, draft.cwd ?? "/", disk) : null
  if (path === null) unknown.add(`which file the script ${word.slice(0, 200)} is`)
  else await addScript(draft, path, setting)
}

async function addScript(draft: SegmentDraft, path: string, { disk, unknown }: SegmentSetting): Promise<void> {
  const sha256 = await disk.hash(path)
  if (sha256 === null) unknown.add(`the content of ${path}`)
  else if (!draft.scripts.some((one) => one.path === path)) draft.scripts = [...draft.scripts, { path, sha256 }]
}

/** The files that say what a project's scripts are: from the nearest folder upward that has an anchor. */
async function addProject(
  draft: SegmentDraft,
  { anchors, also }: NonNullable<Finding["project"]>,
  setting: SegmentSetting,
): Promise<void> {
  const names = [...anchors, ...also]
  for (let folder = draft.cwd; folder !== null; folder = folder === dirname(folder) ? null : dirname(folder)) {
    const paths = names.map((name) => join(folder!, name))
    const present: string[] = []
    for (const path of paths) if ((await setting.disk.look(path)) !== null) present.push(path)
    if (!anchors.some((name) => present.includes(join(folder!, name)))) continue
    for (const path of present) await addOperand(draft, path, setting)
    return
  }
  setting.unknown.add(`there is no ${anchors[0]}`)
}
