// One update of an installed Pincer: npm puts the new version in its place, the new program has to say its version, and where it cannot the
// old one is put back. Nothing restarts here. What a program says is kept at both ends; every step has a deadline.
import { dirname, join } from "node:path"
import { asPincerError, PincerError } from "../../base/errors.ts"
import { type RunResult, runProgram } from "../../base/process.ts"
import { cut } from "../../base/text.ts"
import { PACKAGE } from "../update-check.ts"
import { npmOf, versionIn } from "./owner.ts"

export type StepName = "install" | "verify" | "put back" | "verify old"

export interface UpdateStep {
  name: StepName
  command: string
  cwd: string
  durationMs: number
  /** null when a signal or the deadline ended it. */
  exitCode: number | null
  stdoutTail?: string
}

export interface Installed {
  ok: boolean
  /** Why not, as a sentence. */
  reason?: string
  steps: UpdateStep[]
}

export interface InstallRoom {
  root: string
  prefix: string
  registry: string
  /** The whole environment of the programs. */
  env: Readonly<Record<string, string | undefined>>
  /** Node that runs npm and the new program. */
  node: string
  now(): number
  signal: AbortSignal
  /** Told of each step as it begins, and of the last words of one that runs. */
  onStep?(name: StepName, words: string): void
}

const TAIL_CHARS = 2_000
const VERIFY_MS = 30_000
/** What npm and the new program get of the environment: where things are and how the network is reached, no keys. */
const PASSED =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_.*|TMPDIR|TZ|SSL_CERT_.*|NODE_EXTRA_CA_CERTS|https?_proxy|no_proxy|all_proxy|npm_config_(?!.*(auth|token|password)).*)$/i

/** Never throws for what a program does: that is the outcome. Throws NOT_FOUND when there is no npm. */
export async function install(room: InstallRoom, version: string, timeoutMs: number): Promise<Installed> {
  const before = await versionIn(room.root)
  const npm = await npmOf(room.prefix, { node: room.node, path: room.env["PATH"] ?? "" })
  const steps: UpdateStep[] = []
  const bad = await putInPlace(room, npm, version, timeoutMs, steps, ["install", "verify"])
  if (bad === undefined) return { ok: true, steps }
  const now = await versionIn(room.root)
  if (before === undefined || (now === before && steps.length === 1)) {
    // npm changed nothing: it puts its own work back when it fails.
    const still = await verify(room, before ?? "", steps, "verify old")
    if (still === undefined) return { ok: false, reason: bad, steps }
  }
  const again = await putInPlace(
    { ...room, signal: new AbortController().signal },
    npm,
    before ?? version,
    timeoutMs,
    steps,
    ["put back", "verify old"],
  )
  const rest =
    again === undefined ? `version ${before} is in its place again` : `and putting ${before} back failed: ${again}`
  return { ok: false, reason: `${bad}; ${rest}`, steps }
}

/** Undefined when the version is there and works, else why not. */
async function putInPlace(
  room: InstallRoom,
  npm: string,
  version: string,
  timeoutMs: number,
  steps: UpdateStep[],
  [first, second]: readonly [StepName, StepName],
): Promise<string | undefined> {
  const { prefix, registry } = room
  const args = ["install", "--global", "--prefix", prefix, "--registry", registry]
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", `${PACKAGE}@${version}`]
  // A folder that is not replaced under its feet.
  const ran = await step(room, first, npm, [...args, ...quiet], dirname(dirname(room.root)), timeoutMs, steps)
  if (ran.exitCode !== 0) return failed("npm", ran, timeoutMs)
  return verify(room, version, steps, second)
}

async function verify(room: InstallRoom, version: string, steps: UpdateStep[], name: StepName) {
  const program = join(room.root, "bin", "pincer.js")
  const ran = await step(room, name, room.node, [program, "--version"], room.prefix, VERIFY_MS, steps)
  if (ran.exitCode !== 0) return failed("the new program", ran, VERIFY_MS)
  const said = ran.output.trim()
  return said === version ? undefined : `the program in ${room.root} says "${cut(said, 80)}", not ${version}`
}

function failed(who: string, { canceled, exitCode, killedBy, output, timedOut }: RunResult, timeoutMs: number): string {
  if (timedOut) return `${who} was not done within ${Math.round(timeoutMs / 1000)} s`
  if (canceled) return `${who} was stopped`
  const lines = output.trim().split("\n")
  const words = lines.findLast((line) => /err|error/i.test(line)) ?? lines.at(-1) ?? ""
  return `${who} ended with ${exitCode ?? killedBy}${words === "" ? "" : `: ${cut(words.trim(), 300)}`}`
}

async function step(
  room: InstallRoom,
  name: StepName,
  file: string,
  args: readonly string[],
  cwd: string,
  timeoutMs: number,
  steps: UpdateStep[],
): Promise<RunResult> {
  const began = room.now()
  room.onStep?.(name, "")
  const ran = await runProgram(file, args, {
    cwd,
    env: environment(room),
    signal: room.signal,
    timeoutMs,
    maxChars: TAIL_CHARS,
    onOutput: (text) => room.onStep?.(name, text.trimEnd().split("\n").at(-1) ?? ""),
  }).catch((error: unknown): RunResult => {
    if (!(error instanceof PincerError)) throw error
    const output = asPincerError(error).message
    return { exitCode: 127, killedBy: null, output, timedOut: false, canceled: false, leftBehind: false }
  })
  const words = ran.output.trim()
  steps.push({
    name,
    command: [file, ...args].join(" "),
    cwd,
    durationMs: room.now() - began,
    exitCode: ran.exitCode,
    ...(words === "" ? {} : { stdoutTail: words }),
  })
  return ran
}

function environment({ env, node }: InstallRoom): Record<string, string> {
  const passed: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) if (value !== undefined && PASSED.test(name)) passed[name] = value
  // npm is a script for "node": the one that runs here, not an older one that stands first.
  return { ...passed, PATH: `${dirname(node)}:${passed["PATH"] ?? "/usr/bin:/bin"}` }
}
