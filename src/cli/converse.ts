// The conversation: `pincer` alone, or `pincer chat`. One line in, one turn shown, and so on until somebody leaves.
import { readdirSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { asPincerError, PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { expandPath, resolvePaths } from "../config/paths.ts"
import type { Permissions } from "../protocol/permission.ts"
import { Asker } from "./approve.ts"
import type { Cli } from "./cli.ts"
import { PATIENT, type Reach, reachGateway } from "./connect.ts"
import { readElevated } from "./elevated.ts"
import { mentioned, withFiles } from "./files.ts"
import { inert } from "./inert.ts"
import { LineEditor } from "./line-editor.ts"
import { type PermissionFlags, permissionsOf } from "./permission-flags.ts"
import { findSlash, runSlash, slashCommands, type Talk } from "./slash.ts"
import { openStage } from "./stages.ts"
import { duration } from "./status.ts"
import { runTurn, stringOf } from "./turn.ts"

export interface ConverseFlags extends PermissionFlags {
  session?: string
  agent?: string
  model?: string
  cwd?: string
  thinking?: string
  elevated?: string
}

/** Returns when the person leaves. Throws when there is no terminal, or no gateway. */
export async function converse(cli: Cli, flags: ConverseFlags): Promise<void> {
  if (!cli.interactive)
    throw new PincerError("INVALID_PARAMS", 'A conversation needs a terminal: use pincer ask "…" in scripts and pipes')
  const permissions = permissionsOf(flags, cli.env, (line) => cli.err.line(line))
  const link = await reachGateway(cli, { otherwise: "start", caps: ["tool-events", "approvals"], reconnect: PATIENT })
  try {
    await new Conversing(cli, link, flags, permissions).run()
  } finally {
    await link.close()
  }
}

class Conversing implements Talk {
  readonly #cli: Cli
  readonly #link: Reach
  readonly #cwd: string | undefined
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

  constructor(cli: Cli, link: Reach, flags: ConverseFlags, permissions: Permissions | undefined) {
    this.#cli = cli
    this.#link = link
    this.#cwd = flags.cwd !== undefined ? resolve(cli.cwd, flags.cwd) : link.target.local ? cli.cwd : undefined
    this.sessionKey = flags.session ?? "main"
    this.agentId = flags.agent
    this.model = flags.model
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
        if (/^\/[a-z]/.test(text)) await runSlash(this, text.trim())
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
    const controller = new AbortController()
    this.#turn = controller
    try {
      this.out.line()
      await runTurn(
        this.client,
        {
          message,
          ...(attachments.length === 0 ? {} : { attachments }),
          sessionKey: this.sessionKey,
          ...(this.agentId === undefined ? {} : { agentId: this.agentId }),
          ...(this.model === undefined ? {} : { model: this.model }),
          ...(this.thinking === undefined ? {} : { thinking: this.thinking }),
          ...(this.#cwd === undefined ? {} : { cwd: this.#cwd }),
          ...(this.#permissions ? { permissions: this.#permissions } : {}),
        },
        openStage(this.#cli, "text", asker),
        { signal: controller.signal },
      )
    } finally {
      asker.stop()
      this.#turn = undefined
      this.out.line()
    }
  }

  get #where() {
    return { env: this.#cli.env, cwd: this.#cwd ?? this.#cli.cwd }
  }

  async #complete(line: string): Promise<[string[], string]> {
    const file = /(?:^|\s)@(\S*)$/.exec(line)
    if (file) return [this.#files(file[1] ?? "").map((name) => `@${name}`), `@${file[1] ?? ""}`]
    const command = /^\/(\S*)$/.exec(line)
    if (command) {
      const names = slashCommands.map(({ name, takes }) => `/${name}${takes === undefined ? "" : " "}`)
      return [names.filter((name) => name.startsWith(line)), line]
    }
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
