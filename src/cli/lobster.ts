// `pincer lobster …`: the command line of Lobster, word for word, on Pincer's engine. Needs no gateway: runs and gates lie in the store of this
// home, or of LOBSTER_STATE_DIR. Programs of steps are judged and confined as everywhere.
import { statSync } from "node:fs"
import { extname, join, resolve } from "node:path"
import { isObject } from "../base/json.ts"
import { envValue, expandPath } from "../config/paths.ts"
import type { Envelope, EnvelopeError } from "../protocol/workflow.ts"
import { inert } from "./inert.ts"
import type { LobsterPlace } from "./lobster-place.ts"
import { askedForJson, askedYes } from "./lobster-prompt.ts"
import { BadWords, type GraphWords, type ResumeWords, type RunWords, readLobsterWords } from "./lobster-words.ts"

type LookRoom = typeof import("../gateway/workflows/alone-look.ts")
type LookedAt = Awaited<ReturnType<LookRoom["lookAt"]>>
type OpenAlone = typeof import("../gateway/workflows/alone.ts")["openAlone"]

interface Alone extends Pick<ReturnType<OpenAlone>, "engine"> {
  failure: LookRoom["failureOf"]
}

const KINDS = [".lobster", ".yaml", ".yml", ".json"]
const FORMATS = ["mermaid", "dot", "ascii"] as const
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGQUIT: 131 } as const

/** What is wrong with what was typed. */
class Unreadable extends Error {}

/** Runs it; the exit code. */
export async function runLobster(words: readonly string[], place: LobsterPlace): Promise<number> {
  const unsandboxed = words[0] === "--unsandboxed"
  const given = unsandboxed ? words.slice(1) : words
  try {
    const read = readLobsterWords(given)
    switch (read.type) {
      case "version":
        place.out(`${place.version}\n`)
        return 0
      case "help":
        return (await import("./lobster-help.ts")).showHelp(place, read.topic, (await lookRoom()).commands)
      case "graph":
        return await graph(read, place)
      case "doctor":
        return await new Lobster(place, unsandboxed).doctor()
      case "resume":
        return await new Lobster(place, unsandboxed).resume(read)
      case "run":
        return await new Lobster(place, unsandboxed).run(read)
    }
  } catch (error) {
    if (!(error instanceof BadWords)) throw error
    const failure: EnvelopeError = { type: "parse_error", message: error.message }
    if (given[0] === "resume") showEnvelope(place, { protocolVersion: 1, ok: false, error: failure })
    else place.err(`Parse error: ${inert(error.message)}\n`)
    return 2
  }
}

function lookRoom(): Promise<LookRoom> {
  return import("../gateway/workflows/alone-look.ts")
}

/** Two spaces, as callers of tool mode read it. */
function showEnvelope(place: LobsterPlace, envelope: Envelope): void {
  if (!envelope.ok) place.out(`${JSON.stringify(envelope, null, 2)}\n`)
  else {
    const { ok, output, protocolVersion, requiresApproval, requiresInput, status, ...ours } = envelope
    const theirs = { protocolVersion, ok, status, output, requiresApproval, requiresInput }
    place.out(`${JSON.stringify({ ...theirs, ...ours }, null, 2)}\n`)
  }
}

/** The file that is to be run, if one is. Throws Unreadable. */
function fileOf({ file, rest }: RunWords, cwd: string): string | undefined {
  if (file !== undefined) {
    const path = resolve(cwd, file)
    const found = statSync(path, { throwIfNoEntry: false })
    if (!found?.isFile()) throw new Unreadable(`There is no workflow file ${path}`)
    if (!KINDS.includes(extname(path).toLowerCase()))
      throw new Unreadable(`${path} is no workflow file: its name must end in ${KINDS.join(", ")}`)
    return path
  }
  const [only] = rest
  if (rest.length !== 1 || only === undefined || only.includes("|")) return undefined
  const path = resolve(cwd, only)
  const isFile = KINDS.includes(extname(path).toLowerCase()) && statSync(path, { throwIfNoEntry: false })?.isFile()
  return isFile ? path : undefined
}

function argumentsOf(json: string | undefined): Record<string, unknown> {
  if (json === undefined) return {}
  const value = jsonOf(json, "--args-json")
  if (!isObject(value)) throw new Unreadable("--args-json must be a JSON object")
  return value
}

function jsonOf(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Unreadable(`${what} is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function graph(words: GraphWords, place: LobsterPlace): Promise<number> {
  const fail = (message: string, code: number) => {
    place.err(`${inert(message)}\n`)
    return code
  }
  const format = FORMATS.find((one) => one === words.format)
  if (!format) return fail(`--format must be one of ${FORMATS.join(", ")}, not "${words.format}"`, 2)
  if (words.file === undefined) return fail("Name the workflow file to draw", 2)
  try {
    const file = fileOf({ type: "run", tool: false, dryRun: false, file: words.file, rest: [] }, place.cwd)!
    const args = argumentsOf(words.argsJson)
    const { drawing, lookAt } = await lookRoom()
    const { definition, refusal } = await lookAt(file, place.cwd)
    if (!definition || refusal !== undefined) return fail(`Error: ${refusal}`, 1)
    place.out(await drawing(definition, format, args))
    return 0
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return fail(`Error: ${error.message}`, 1)
  }
}

class Lobster {
  readonly #place: LobsterPlace
  readonly #unsandboxed: boolean
  readonly #stop = new AbortController()
  #code: number | undefined

  constructor(place: LobsterPlace, unsandboxed: boolean) {
    this.#place = place
    this.#unsandboxed = unsandboxed
  }

  async run(words: RunWords): Promise<number> {
    const { cwd } = this.#place
    const text = words.rest.join(" ")
    try {
      const file = fileOf(words, cwd)
      if (words.dryRun) return await this.#plan(words, file, text)
      const args = file === undefined ? {} : argumentsOf(words.argsJson)
      const looked = file === undefined ? undefined : await (await lookRoom()).lookAt(file, cwd)
      if (looked) this.#warnings(looked)
      if (looked?.refusal !== undefined)
        return this.#failed(words.tool, { type: "runtime_error", message: looked.refusal })
      return await this.#with((alone) => this.#started(alone, words.tool, looked?.definition, text, args))
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      return this.#failed(words.tool, { type: "parse_error", message: error.message })
    }
  }

  async #started(
    alone: Alone,
    tool: boolean,
    definition: LookedAt["definition"],
    text: string,
    args: Record<string, unknown>,
  ): Promise<number> {
    const { cwd, env } = this.#place
    let printed = ""
    const initiatedBy = env["LOBSTER_APPROVAL_INITIATED_BY"]
    const requiredApprover = env["LOBSTER_APPROVAL_REQUIRED_APPROVER"]
    const different = env["LOBSTER_APPROVAL_REQUIRE_DIFFERENT_APPROVER"]
    let envelope: Envelope
    try {
      envelope = await alone.engine.start({
        source: definition ? { type: "workflow", definition } : { type: "pipeline", text },
        args,
        cwd,
        startedBy: "lobster",
        agentId: "main",
        identity: {
          ...(initiatedBy ? { initiatedBy } : {}),
          ...(requiredApprover ? { requiredApprover } : {}),
          ...(different === undefined ? {} : { requireDifferentApprover: /^(?:1|true|yes)$/i.test(different) }),
        },
        print: (more) => {
          printed += more
          // Within a workflow it is the step's output, in tool mode nobody's.
          if (!tool && !definition) this.#place.out(inert(more))
        },
        warn: (warning) => this.#warn(warning),
        signal: this.#stop.signal,
      })
    } catch (error) {
      return this.#failed(tool, alone.failure(error))
    }
    if (tool) return this.#told(envelope)
    return this.#shown(alone, envelope, definition !== undefined, printed)
  }

  async resume(words: ResumeWords): Promise<number> {
    const by = this.#place.env["LOBSTER_APPROVAL_APPROVED_BY"]
    const who = by ? { by } : {}
    const gate = words.token ?? words.id
    const answers = [words.approve, words.response, words.cancel ? "" : undefined].filter((one) => one !== undefined)
    try {
      if (gate === undefined) throw new Unreadable("resume needs --token or --id")
      if (answers.length !== 1)
        throw new Unreadable("resume needs exactly one of --approve, --response-json and --cancel")
      const yes = words.approve === undefined ? undefined : /^(?:y|yes)$/i.test(words.approve)
      if (words.approve !== undefined && !yes && !/^(?:n|no)$/i.test(words.approve))
        throw new Unreadable(`--approve must be yes or no, not "${words.approve}"`)
      const response = words.response === undefined ? undefined : jsonOf(words.response, "--response-json")
      return await this.#with(async (alone) => {
        const reply = words.cancel
          ? ({ type: "cancel", ...who } as const)
          : yes === undefined
            ? ({ type: "respond", response, ...who } as const)
            : ({ type: "approve", approved: yes, ...who } as const)
        try {
          return this.#told(await alone.engine.answer(gate, reply, this.#how()))
        } catch (error) {
          return this.#failed(true, alone.failure(error))
        }
      })
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      return this.#failed(true, { type: "parse_error", message: error.message })
    }
  }

  /** Whether a program can be started, and what it says be read. */
  async doctor(): Promise<number> {
    const { version } = this.#place
    return this.#with(async (alone) => {
      let envelope: Envelope
      try {
        envelope = await alone.engine.start({
          source: { type: "pipeline", text: "exec --json --shell 'echo [1]'" },
          args: {},
          cwd: this.#place.cwd,
          startedBy: "lobster",
          agentId: "main",
          identity: {},
          ...this.#how(),
        })
      } catch (error) {
        envelope = { protocolVersion: 1, ok: false, error: alone.failure(error) }
      }
      if (!envelope.ok) {
        const { message } = envelope.error
        return this.#failed(true, { type: "doctor_error", message })
      }
      const { runId: _, steps: _steps, counts: _counts, ...base } = envelope
      showEnvelope(this.#place, { ...base, output: [{ toolMode: true, protocolVersion: 1, version }] })
      return 0
    })
  }

  #how() {
    return {
      print: () => undefined,
      warn: (text: string) => this.#warn(text),
      signal: this.#stop.signal,
    }
  }

  async #with(use: (alone: Alone) => Promise<number>): Promise<number> {
    const { cwd, env, interactive } = this.#place
    const [{ openAlone }, { failureOf, stopped }] = await Promise.all([
      import("../gateway/workflows/alone.ts"),
      lookRoom(),
    ])
    const own = envValue(env, "LOBSTER_STATE_DIR")
    const opened = openAlone({
      env,
      flags: {},
      cwd,
      ...(own === undefined ? {} : { db: join(expandPath(own, env, cwd), "pincer.db") }),
      durability: "full",
      unsandboxed: this.#unsandboxed,
      ...(interactive ? { confirm: (question: string) => askedYes(this.#place, question) } : {}),
    })
    const off = Object.entries(SIGNALS).map(([name, code]) => {
      const hear = () => {
        this.#code ??= code
        this.#stop.abort(stopped(`Received ${name}`))
      }
      process.on(name, hear)
      return () => process.removeListener(name, hear)
    })
    try {
      const code = await use({ engine: opened.engine, failure: failureOf })
      return this.#code ?? code
    } finally {
      for (const stop of off) stop()
      opened.close()
    }
  }

  #told(envelope: Envelope): number {
    showEnvelope(this.#place, envelope)
    if (envelope.ok) return 0
    return envelope.error.type === "parse_error" ? 2 : 1
  }

  async #shown(alone: Alone, first: Envelope, isWorkflow: boolean, printed: string): Promise<number> {
    let envelope = first
    while (envelope.ok && this.#place.interactive) {
      const gate = envelope.requiresApproval ?? envelope.requiresInput
      if (!gate) break
      const by = this.#place.env["LOBSTER_APPROVAL_APPROVED_BY"]
      const who = by ? { by } : {}
      try {
        if (envelope.requiresApproval) {
          const approved = await askedYes(this.#place, gate.prompt)
          envelope = await alone.engine.answer(gate.resumeToken, { type: "approve", approved, ...who }, this.#how())
          if (!approved) return this.#failed(false, { type: "runtime_error", message: "Not approved" })
        } else {
          const response = await askedForJson(this.#place, gate.prompt)
          envelope = await alone.engine.answer(gate.resumeToken, { type: "respond", response, ...who }, this.#how())
        }
      } catch (error) {
        const code = this.#failed(false, alone.failure(error))
        this.#waits(gate)
        return code
      }
    }
    if (!envelope.ok) return this.#failed(false, envelope.error)
    const { output, requiresApproval, requiresInput, status } = envelope
    const gate = requiresApproval ?? requiresInput
    if (gate) {
      this.#json(isWorkflow ? { status, output, requiresApproval, requiresInput } : [gate])
      this.#waits(gate)
    } else if (output.length > 0 || (!isWorkflow && printed === "" && status === "ok")) this.#json(output)
    return 0
  }

  #waits({ approvalId }: { approvalId?: string | undefined }): void {
    this.#place.err(`It waits for an answer: pincer lobster resume --id ${approvalId}\n`)
  }

  #json(value: unknown): void {
    this.#place.out(`${JSON.stringify(value, null, 2)}\n`)
  }

  #failed(tool: boolean, error: EnvelopeError): number {
    if (tool) return this.#told({ protocolVersion: 1, ok: false, error })
    const isParse = error.type === "parse_error"
    this.#place.err(`${isParse ? "Parse error" : "Error"}: ${inert(error.message)}\n`)
    return isParse ? 2 : 1
  }

  #warn(text: string): void {
    this.#place.err(`[WARN] ${inert(text)}\n`)
  }

  #warnings({ warnings }: LookedAt): void {
    for (const warning of warnings) this.#warn(warning)
  }

  /** What would be run, on standard error. */
  async #plan(words: RunWords, file: string | undefined, text: string): Promise<number> {
    const room = await lookRoom()
    const lines: string[] = []
    if (file === undefined) {
      try {
        const stages = room.stagesOf(text)
        lines.push(`A pipeline of ${stages.length} stages:`, ...stages.map((raw, i) => `  ${i + 1}. ${raw}`))
      } catch (error) {
        return this.#failed(words.tool, room.failureOf(error))
      }
    } else {
      const args = argumentsOf(words.argsJson)
      const looked = await room.lookAt(file, this.#place.cwd)
      this.#warnings(looked)
      if (!looked.definition || looked.refusal !== undefined)
        return this.#failed(words.tool, { type: "runtime_error", message: String(looked.refusal) })
      const { planLines } = await import("./workflow-plan.ts")
      try {
        lines.push(...planLines(await room.plan(looked.definition, args, this.#place.cwd)))
      } catch (error) {
        return this.#failed(words.tool, room.failureOf(error))
      }
    }
    this.#place.err(`[DRY RUN] Nothing is run.\n${inert(lines.join("\n"))}\n`)
    if (!words.tool) return 0
    return this.#told({
      protocolVersion: 1,
      ok: true,
      status: "ok",
      output: [],
      requiresApproval: null,
      requiresInput: null,
    })
  }
}
