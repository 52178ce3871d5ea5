// What steps do that run without a gateway: judged by the same policy as everything, placed where it says, and written down in the audit. Whoever
// started the run is at the command line: what only the permission mode would ask about is approved with that. Rules, limits and the sandbox stay.
import { realpathSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { elevatedRefusal } from "../../agent/elevated-gates.ts"
import { argsDigest } from "../../agent/fingerprint.ts"
import { systemClock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { nameKind } from "../../base/redact-names.ts"
import { type HeldProgram, Starter } from "../../base/starter.ts"
import { excerpt } from "../../base/text.ts"
import { loadConfig } from "../../config/load.ts"
import type { Env, PathFlags } from "../../config/paths.ts"
import type { Config } from "../../config/schema.ts"
import type { CallFacts } from "../../policy/scene.ts"
import { changedSince } from "../../policy/shell/changes.ts"
import type { AuditEntry } from "../../protocol/audit.ts"
import type { Decision } from "../../protocol/decision.ts"
import { parseSessionKey } from "../../protocol/session.ts"
import { openSandbox, type Sandbox } from "../../sandbox/index.ts"
import type { AuditTable } from "../../store/audit.ts"
import { type RecordedLeave, recordedLeave } from "../../store/leave.ts"
import { resolvePath } from "../../tools/paths.ts"
import type { ToolSettings } from "../../tools/tool.ts"
import type { ProgramResult, ProgramRun } from "../../workflow/command.ts"
import type { EnginePorts, StepAddress } from "../../workflow/engine/ports.ts"
import { judgeCall, settingsOf, type TrialPlace } from "../policy/policy-trial.ts"
import { askedOf, collected, factsOf, type StepQuestion } from "./programs.ts"

export interface ActsOptions {
  env: Env
  flags: PathFlags
  /** Where runs work: what their programs may write to. */
  cwd: string
  /** The user wants programs on the host: as with an elevated session, as far as `tools.elevated` lets the command line have that. */
  unsandboxed: boolean
  /** Asks the person at the terminal; absent: nobody can be asked. */
  confirm?: (question: string) => Promise<boolean>
  audit: () => AuditTable
  /** Holds a folder for each run. */
  spillFolder: string
}

export type AloneActs = Pick<EnginePorts, "run" | "readText" | "fetch"> & {
  prepare: NonNullable<EnginePorts["prepare"]>
  close(): void
}

/** A program that may be started. */
interface Permitted {
  asked: StepQuestion
  facts: CallFacts
  decision: Decision
  program: ProgramRun
  address: StepAddress
  signal: AbortSignal
  warn: (text: string) => void
  held: HeldProgram | undefined
}

/** Names of variables of the caller's that sound like secrets and yet go to programs, with commas. */
const PASS = "PINCER_PASS_ENV"
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const
const MINUTE_MS = 60_000

/** Throws INVALID_PARAMS for a broken configuration, PERMISSION_DENIED when it keeps programs off the host. */
export function openActs(options: ActsOptions): AloneActs {
  const { env, flags, unsandboxed } = options
  const { config, paths } = loadConfig({ env, flags })
  const sandbox = openSandbox(config.sandbox, { path: env["PATH"] ?? "", hidden: [realOr(paths.home)] })
  const leave = unsandboxed ? onHost(config) : recordedLeave(paths.db)
  const place = { config, env, home: paths.home, cwd: realOr(options.cwd), sandbox, ...(leave ? { leave } : {}) }
  const acts = new Acts(options, place, sandbox)
  return {
    run: (...args) => acts.run(...args),
    prepare: (...args) => acts.prepare(...args),
    readText: (path, address) => acts.readText(path, address),
    fetch: (...args) => acts.fetch(...args),
    close: () => acts.close(),
  }
}

/** What `--unsandboxed` gives: for as long as this process lives. */
function onHost(config: Config): RecordedLeave {
  const agentId = config.agents.default
  const refusal = elevatedRefusal(config, { agentId, level: "full", wisher: { door: "cli", clientId: "cli" } })
  if (refusal) throw refusal
  const { key: sessionKey } = parseSessionKey("workflow", agentId)
  const level = { level: "full", grantedAt: 0, expiresAt: Number.MAX_SAFE_INTEGER, grantedBy: "cli" } as const
  return { grants: [], elevations: [{ sessionKey, agentId, ...level }] }
}

function realOr(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    // Not made yet: there is nothing in it.
    return path
  }
}

class Acts {
  readonly #options: ActsOptions
  readonly #place: Omit<TrialPlace, "now">
  readonly #sandbox: Sandbox
  readonly #settings: ToolSettings
  readonly #passed: ReadonlySet<string>
  /** When each was begun, for rules about how often. */
  readonly #calls: { runId: string; tool: string; at: number }[] = []
  /** Why a line of the audit could not be written. */
  #unwritten: { error: unknown } | undefined
  #starter: Starter | undefined
  #isClosed = false

  constructor(options: ActsOptions, place: Omit<TrialPlace, "now">, sandbox: Sandbox) {
    this.#options = options
    this.#place = place
    this.#sandbox = sandbox
    this.#settings = settingsOf(place)
    this.#passed = new Set((options.env[PASS] ?? "").split(",").map((name) => name.trim()))
  }

  run: EnginePorts["run"] = async (...asked) => (await this.prepare(...asked))()

  prepare: NonNullable<EnginePorts["prepare"]> = async (program, address, signal, warn) => {
    const wish = { ...program, env: this.#handedOn(program.env) }
    const asked = await askedOf({ settings: this.#settings }, wish, warn)
    const facts = await factsOf(asked, this.#settings)
    const decision = await this.#permit(facts, address, asked.text)
    const isHost = decision.placement.type === "host" && decision.verdict === "allow"
    const held = isHost ? this.#held(asked, program.stdin !== undefined, signal) : undefined
    return () => this.#start({ asked, facts, decision, program, address, signal, warn, held })
  }

  async #start(permitted: Permitted): Promise<ProgramResult> {
    const { address, asked, decision, facts, held, program, signal, warn } = permitted
    // Only a person takes so long to answer that it may have changed; else it starts at once.
    const now = decision.verdict === "allow" ? undefined : await factsOf(asked, this.#settings)
    const change = now && changedSince(facts.command!, now.command!)
    if (change !== undefined)
      throw new PincerError("CONFLICT", `The command is not what was judged: ${change}. Nothing was run`)
    const start = await this.#placed(asked, decision, address, warn)
    const startedAt = systemClock.now()
    try {
      const result = await collected({ outputs: this.#options.spillFolder, held }, { address, signal }, program, start)
      const outcome = signal.aborted ? "canceled" : result.exitCode === 0 ? "done" : "failed"
      const durationMs = systemClock.now() - startedAt
      const details = { exitCode: result.exitCode }
      this.#record(facts, decision, address, asked.text, { type: "effect", outcome, durationMs, details })
      signal.throwIfAborted()
      const note = result.exitCode !== 0 && start.note !== undefined ? `\n[${start.note}]` : ""
      return { ...result, stderr: result.stderr + note }
    } finally {
      await start.close()
    }
  }

  /** Ready while its intent goes to disk. The first program pays for nothing but itself: one alone is started by this process. */
  #held({ args, cwd, env, file }: StepQuestion, input: boolean, signal: AbortSignal): HeldProgram | undefined {
    // A step that is out of time may come here late, even when all is over.
    if (this.#calls.length < 2 || signal.aborted || this.#isClosed) return undefined
    this.#starter ??= new Starter()
    const held = this.#starter.hold({ file, args, cwd, env, input })
    if (!held) return undefined
    const drop = () => {
      signal.removeEventListener("abort", drop)
      held.drop()
    }
    signal.addEventListener("abort", drop, { once: true })
    return {
      drop,
      go() {
        signal.removeEventListener("abort", drop)
        return held.go()
      },
    }
  }

  /** What the caller's shell has of secrets stays there; what the workflow itself sets goes along. */
  #handedOn(env: Readonly<Record<string, string>>): Record<string, string> {
    const { env: own } = this.#options
    const kept = Object.entries(env).filter(
      ([name, value]) => own[name] !== value || this.#passed.has(name) || nameKind(name) !== "strong",
    )
    return Object.fromEntries(kept)
  }

  async #placed(asked: StepQuestion, { placement }: Decision, { runId }: StepAddress, warn: (text: string) => void) {
    if (placement.type === "host") return { ...asked, note: undefined, close: async () => undefined }
    if (placement.type !== "sandbox")
      throw new PincerError("PERMISSION_DENIED", "This step was not given a place to start programs in")
    const { args, cwd, env, file } = asked
    return this.#sandbox.confine({
      program: { file, args, cwd, env },
      workspace: this.#place.cwd,
      profile: this.#sandbox.profile(placement.profile),
      egress: {
        sessionKey: `workflow:${runId}`,
        saw: (_, verdict, reason) => {
          if (verdict === "deny") warn(reason)
        },
      },
    })
  }

  close(): void {
    this.#isClosed = true
    this.#starter?.close()
    this.#sandbox.close()
  }

  async readText(path: string, address: StepAddress): Promise<string> {
    const real = await resolvePath(path, this.#place.cwd)
    const facts: CallFacts = {
      ...{ tool: "Read", aliases: ["read"], class: "read", from: "builtin", args: { path } },
      ...{ reads: [real], writes: [], hosts: [] },
    }
    const decision = await this.#permit(facts, address, `Read ${path}`)
    const text = await readFile(real, "utf8")
    this.#record(facts, decision, address, `Read ${path}`, { type: "effect", outcome: "done" })
    return text
  }

  fetch: EnginePorts["fetch"] = async ({ body, headers, method: word, url }, address, signal) => {
    const method = METHODS.find((one) => one === word.toUpperCase())
    if (!method) throw new PincerError("INVALID_PARAMS", `Unknown HTTP method "${word}": use ${METHODS.join(", ")}`)
    const { webRequest, webUrl } = await import("../../tools/web.ts")
    const { host } = webUrl(url)
    const facts: CallFacts = {
      ...{ tool: "WebFetch", aliases: ["web_fetch"], class: "network", from: "builtin", args: { url, method } },
      ...{ reads: [], writes: [], hosts: [host] },
    }
    const title = `${method} ${url}`
    const decision = await this.#permit(facts, address, title)
    const { fetch: settings } = this.#settings
    let outcome: "done" | "failed" = "failed"
    try {
      const sent = { ...settings, url, method, headers, signal, ...(body === undefined ? {} : { body }) }
      const response = await webRequest(sent)
      outcome = "done"
      if (response.cut)
        throw new PincerError(
          "TOO_LARGE",
          `${host} answered with more than ${settings.maxBytes} bytes (tools.fetch.maxBytes)`,
        )
      return { status: response.status, text: response.body.toString("utf8") }
    } finally {
      this.#record(facts, decision, address, title, { type: "effect", outcome })
    }
  }

  /** Throws PERMISSION_DENIED naming the rule. */
  async #permit(facts: CallFacts, address: StepAddress, title: string): Promise<Decision> {
    const { confirm, unsandboxed } = this.#options
    // Where nothing can be written down, nothing more is allowed.
    if (this.#unwritten) throw this.#unwritten.error
    const now = systemClock.now()
    // Trying the sandbox takes a while, and on the host nobody uses it.
    const sandbox = unsandboxed || (await this.#sandbox.report()).available
    const origin = { door: "workflow" as const, clientId: "cli" }
    const { key: sessionKey } = parseSessionKey("workflow", this.#place.config.agents.default)
    const counts = this.#counts(facts, address, now)
    const record = { sandbox, counts, taint: [], canAsk: true, origin, sessionKey, cwd: this.#place.cwd }
    const { decision } = await judgeCall(facts, record, { ...this.#place, now })
    const { reason, rule, source, verdict } = decision
    if (verdict === "deny") {
      this.#record(facts, decision, address, title, { type: "decision", verdict: "deny" })
      throw new PincerError("PERMISSION_DENIED", `Denied by ${rule} (${source}): ${reason}`)
    }
    const isApproved = verdict === "allow" || rule.startsWith("mode.")
    if (!isApproved && !(await confirm?.(`${excerpt(title, 300)}\n${reason}. Allow it?`))) {
      this.#record(facts, decision, address, title, { type: "decision", verdict: "deny" })
      const cure = rule === "sandbox.missing" ? ', or give "--unsandboxed" to run it without one' : ""
      throw new PincerError("PERMISSION_DENIED", `Nobody approved it: ${reason} (${rule})${cure}`)
    }
    this.#record(facts, decision, address, title, { type: "decision", verdict: "allow" })
    this.#calls.push({ runId: address.runId, tool: facts.tool, at: now })
    return decision
  }

  #counts({ tool }: CallFacts, { runId }: StepAddress, now: number): { turn: number; minute: number; day: number } {
    const same = this.#calls.filter((one) => one.tool === tool)
    return {
      turn: same.filter((one) => one.runId === runId).length,
      minute: same.filter(({ at }) => at > now - MINUTE_MS).length,
      day: same.length,
    }
  }

  #record(
    { args, tool }: CallFacts,
    { placement, reason, rule, step }: Decision,
    { agentId, path, runId }: StepAddress,
    title: string,
    more: Pick<AuditEntry, "type"> & Partial<AuditEntry>,
  ): void {
    const line: AuditEntry = {
      at: systemClock.now(),
      who: "cli",
      door: "workflow",
      agentId,
      sessionKey: `agent:${agentId}:workflow`,
      turnId: runId,
      callId: path,
      tool,
      summary: excerpt(title, 300),
      argsDigest: argsDigest(args),
      placement,
      ...(more.type === "decision" ? { step, rule, reason } : {}),
      ...more,
    }
    // It goes to disk in one commit with what the engine writes next: the intent, or the outcome.
    const written = this.#options.audit().record(line, "later")
    written.catch((error: unknown) => {
      this.#unwritten ??= { error }
    })
  }
}
