// The conversation: `pincer` alone, or `pincer chat`. One line in, one turn shown, and so on until somebody leaves.
import { readdirSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { asPincerError, PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { expandPath, resolvePaths } from "../config/paths.ts"
import type { Permissions } from "../protocol/permission.ts"
import { Asker } from "./approve.ts"
import { runAttempts } from "./attempts.ts"
import type { Cli } from "./cli.ts"
import { PATIENT, type Reach, reachGateway } from "./connect.ts"
import { readElevated } from "./elevated.ts"
import { mentioned, withFiles } from "./files.ts"
import { inert } from "./inert.ts"
import { LineEditor } from "./line-editor.ts"
import { ReadsLeftOut } from "./passing-stage.ts"
import { permissionsOf } from "./permission-flags.ts"
import { findSlash, runSlash, slashCommands, type Talk } from "./slash.ts"
import { promptChoices, promptNames } from "./slash-prompts.ts"
import { openStage } from "./stages.ts"
import { duration } from "./status.ts"
import { stringOf } from "./turn.ts"
import { saidWith, type TurnFlags, type TurnWishes, turnWishes } from "./turn-flags.ts"

/** Returns when the person leaves. Throws when there is no terminal, or no gateway. */
export async function converse(cli: Cli, flags: TurnFlags): Promise<void> {
  if (!cli.interactive)
    throw new PincerError("INVALID_PARAMS", 'A conversation needs a terminal: use pincer ask "…" in scripts and pipes')
  const settings = turnWishes(flags, cli)
  const permissions = permissionsOf(flags, cli.env, (line) => cli.err.line(line))
  const caps = settings.format === "text" ? ["tool-events", "approvals"] : ["tool-events"]
  const link = await reachGateway(cli, { otherwise: "start", caps, reconnect: PATIENT })
  try {
    await new Conversing(cli, link, { flags, settings, permissions }).run()
  } finally {
    await link.close()
  }
}

interface Wishes {
  flags: TurnFlags
  settings: TurnWishes
  permissions: Permissions | undefined
}

class Conversing implements Talk {
  readonly #cli: Cli
  readonly #link: Reach
  readonly #settings: TurnWishes
  readonly #editor: LineEditor
  readonly #left = Promise.withResolvers<void>()
  /** Messages that were typed while a turn ran. */
  readonly #waiting: string[] = []
  #turn: AbortController | undefined
  #busy = false
  readonly #elevated: string | undefined
  readonly #permissions: Permissions | undefined
  #leaving = false
  sessionKey: string
  agentId: string | undefined
  model: string | undefined
  thinking: string | undefined
  verbose: boolean

  constructor(cli: Cli, link: Reach, { flags, permissions, settings }: Wishes) {
    this.#cli = cli
    this.#link = link
    this.#settings = settings
    this.sessionKey = settings.session ?? "main"
    this.verbose = cli.verbose
    this.agentId = settings.agent
    this.model = settings.model
    this.thinking = flags.thinking
    this.#elevated = flags.elevated
    this.#permissions = permissions
    this.#editor = new LineEditor({
      stdin: process.stdin,
      stdout: process.stdout,
      out: cli.out,
      history: join(resolvePaths(cli.env, cli.flags).home, "history"),
      complete: (line) => this.#complete(line),
      interrupt: (empty) => this.#interrupt(empty),
      message: (text) => this.#heard(text),
      end: () => this.leave(),
    })
  }

  /** The folder in which tools work; another machine has its own. */
  get #cwd(): string | undefined {
    return this.#settings.cwd ?? (this.#link.target.local ? this.#cli.cwd : undefined)
  }

  get client() {
    return this.#link.client
  }

  get out() {
    return this.#cli.out
  }

  async run(): Promise<void> {
    const lost = this.client.closed.then((reason) => {
      if (!this.#leaving) throw reason
    })
    try {
      await this.#greet()
      if (this.#elevated !== undefined) await runSlash(this, `/elevated ${this.#elevated}`)
      await this.#open()
      await Promise.race([this.#left.promise, lost])
    } finally {
      this.#leaving = true
      this.#editor.close()
      this.out.line()
    }
  }

  leave(): void {
    this.#leaving = true
    this.#left.resolve()
  }

  cancel(): boolean {
    this.#turn?.abort()
    return this.#turn !== undefined
  }

  async #greet(): Promise<void> {
    const status: unknown = await this.client.request("status")
    const chosen = isObject(status) && isObject(status["model"]) ? status["model"] : {}
    const { out } = this
    out.line(
      `${out.paint(`Pincer ${this.#cli.version}`, "bold")}  ${out.paint("/help shows the commands, Ctrl-D leaves", "dim")}`,
    )
    out.facts([
      ["Model", this.model ?? stringOf(chosen["why"]) ?? "?"],
      ["Session", this.sessionKey],
      ...(this.agentId === undefined ? [] : [["Agent", this.agentId] as const]),
      ["Gateway", this.#link.target.url],
      ...(this.#cwd === undefined ? [] : [["Folder", this.#cwd] as const]),
    ])
    out.line()
  }

  #interrupt(lineIsEmpty: boolean): void {
    if (this.#turn) {
      // A second time, or what was canceled does not end.
      if (this.#turn.signal.aborted) this.leave()
      else this.#turn.abort()
      return
    }
    if (this.#busy) return
    if (lineIsEmpty && this.#warned) {
      this.leave()
      return
    }
    this.#warned = lineIsEmpty
    this.out.line()
    if (lineIsEmpty) this.out.line(this.out.paint("Ctrl-C again leaves.", "dim"))
    this.#editor.open()
  }
  #warned = false

  #heard(text: string): void {
    this.#warned = false
    if (this.#turn && text.trim() === "/stop") this.cancel()
    else if (text.trim() !== "") this.#waiting.push(text)
    if (!this.#busy) void this.#work()
  }

  /** Deals with what was written, one after the other; then opens the line again. */
  async #work(): Promise<void> {
    this.#busy = true
    this.#editor.mute()
    for (let text = this.#waiting.shift(); text !== undefined && !this.#leaving; text = this.#waiting.shift()) {
      try {
        if (/^\/(?!mcp:)[a-z]/.test(text)) await runSlash(this, text.trim())
        else await this.#say(text)
      } catch (error) {
        this.out.line(this.out.paint(`✗ ${inert(asPincerError(error).message)}`, "red"))
      }
    }
    this.#busy = false
    if (!this.#leaving) await this.#open()
  }

  /** Opens the line; its prompt says when commands may leave the sandbox. */
  async #open(): Promise<void> {
    try {
      const address = { sessionKey: this.sessionKey, ...(this.agentId === undefined ? {} : { agentId: this.agentId }) }
      const { level, leftMs } = await readElevated(this.client, address)
      this.#editor.mark = level === "off" ? "" : `elevated ${level}, ${duration(leftMs)} `
    } catch (error) {
      this.#editor.mark = "elevated ? "
      this.out.line(this.out.paint(`! ${inert(asPincerError(error).message)}`, "yellow"))
    }
    // Something may have been written meanwhile.
    if (!this.#leaving && !this.#busy) this.#editor.open()
  }

  async #say(text: string): Promise<void> {
    const { message, attachments } = withFiles(text, mentioned(text, this.#where), this.#where)
    const asker = new Asker(this.client, this.out, this.#editor)
    const stage = openStage({ ...this.#cli, verbose: this.verbose }, this.#settings.format, asker)
    const controller = new AbortController()
    this.#turn = controller
    try {
      this.out.line()
      await runAttempts(
        this.client,
        {
          message,
          ...(attachments.length === 0 ? {} : { attachments }),
          sessionKey: this.sessionKey,
          ...saidWith({ ...this.#settings, agent: this.agentId, model: this.model }, this.#around),
          ...(this.thinking === undefined ? {} : { thinking: this.thinking }),
          ...(this.#permissions ? { permissions: this.#permissions } : {}),
        },
        this.#settings.suppressReads ? new ReadsLeftOut(stage) : stage,
        { signal: controller.signal, retries: this.#settings.promptRetries },
      )
    } finally {
      asker.stop()
      this.#turn = undefined
      this.out.line()
    }
  }

  get #around() {
    return { cwd: this.#cli.cwd, local: this.#link.target.local }
  }

  get #where() {
    return { env: this.#cli.env, cwd: this.#settings.cwd ?? this.#cli.cwd }
  }

  async #complete(line: string): Promise<[string[], string]> {
    const file = /(?:^|\s)@(\S*)$/.exec(line)
    if (file) return [this.#files(file[1] ?? "").map((name) => `@${name}`), `@${file[1] ?? ""}`]
    const command = /^\/(\S*)$/.exec(line)
    if (command) {
      const names = slashCommands.map(({ name, takes }) => `/${name}${takes === undefined ? "" : " "}`)
      const found = names.filter((name) => name.startsWith(line))
      return found.length > 0 && !line.startsWith("/m")
        ? [found, line]
        : [[...found, ...(await promptNames(this, line))], line]
    }
    if (line.startsWith("/mcp:")) return promptChoices(this, line)
    const argument = /^\/(\S+)\s+(\S*)$/.exec(line)
    if (!argument) return [[], line]
    const [, word = "", begun = ""] = argument
    const choices = (await findSlash(word)?.choices?.(this)) ?? []
    return [choices.filter((choice) => choice.startsWith(begun)), begun]
  }

  #files(begun: string): string[] {
    const { env, cwd } = this.#where
    const folder = begun.endsWith("/") || begun === "" ? begun : dirname(begun) === "." ? "" : `${dirname(begun)}/`
    const start = begun.endsWith("/") || begun === "" ? "" : basename(begun)
    try {
      return readdirSync(expandPath(folder === "" ? "." : folder, env, cwd), { withFileTypes: true })
        .filter((entry) => entry.name.startsWith(start) && (start.startsWith(".") || !entry.name.startsWith(".")))
        .slice(0, 200)
        .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? "/" : ""}`)
    } catch {
      // No such folder: nothing completes.
      return []
    }
  }
}
