// One turn as a client lives through it: say it, show what happens, come to exactly one ending. A lost connection is not the end:
// what was said is said again under the same key, and what was missed is read back from the session.
import { ERROR_TABLE, type ErrorCode, PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { type GatewayClient, newKey } from "../protocol/client.ts"
import type { EventFrame } from "../protocol/frame.ts"
import { MAIN_PLAN, type Plan } from "../protocol/plan.ts"
import { changesOf, type FileChange, planOf } from "./plan-lines.ts"
import { type Question, questionOf } from "./question.ts"

export interface ToolStart {
  callId: string
  name: string
  title: string
  args: Record<string, unknown>
}

export interface ToolEnd {
  callId: string
  name: string
  isError: boolean
  text: string
  details: Record<string, unknown>
  /** Files that it changed, and how many lines were added and removed. */
  changes: FileChange[]
  durationMs: number
}

/** Where a turn is shown. */
export interface Stage {
  started(run: { runId: string; sessionKey: string }): void
  model(provider: string, model: string): void
  text(delta: string): void
  thinking(delta: string): void
  toolStarted(tool: ToolStart): void
  toolUpdated(tool: { callId: string; name: string; output: string }): void
  toolEnded(tool: ToolEnd): void
  /** Null: the agent keeps this plan no more. */
  plan(planId: string, plan: Plan | null): void
  notice(level: "info" | "warning", text: string): void
  asked(question: Question): void
  answered(answer: Answered): void
  ended(ending: Ending): void
}

/** How a question ended; nobody answered when `decision` is null. */
export interface Answered {
  id: string
  decision: string | null
  by: string | undefined
  /** Why nobody did: "expired" or "canceled". */
  reason?: string
}

export interface Ending {
  status: "completed" | "canceled" | "timeout" | "failed"
  runId: string
  sessionKey: string
  text: string
  stopReason: string | undefined
  usage: Record<string, unknown> | undefined
  error: { code: string; message: string; kind?: string } | undefined
  provider: string | undefined
  model: string | undefined
  /** Tool calls that were refused for want of permission. */
  denied: number
  exitCode: number
}

/** Params of chat.send. */
export type Saying = Record<string, unknown> & { message: string }

export interface TurnOptions {
  /** Cancels the turn at the gateway. */
  signal?: AbortSignal
  /** Longest wait for the gateway's word that a canceled turn has ended. */
  cancelWaitMs?: number
  /** The last answer of the session is taken back and its question asked once more. */
  again?: boolean
}

const CANCEL_WAIT_MS = 3_000

/** Says something and shows the turn until it ends. Throws the gateway's refusal when it was not accepted. */
export async function runTurn(
  client: GatewayClient,
  saying: Saying,
  stage: Stage,
  options: TurnOptions = {},
): Promise<Ending> {
  const turn = new LiveTurn(client, saying, stage)
  return turn.run(options)
}

class LiveTurn {
  readonly #client: GatewayClient
  readonly #stage: Stage
  readonly #saying: Saying
  readonly #runId = newKey()
  readonly #end = Promise.withResolvers<Ending>()
  #sessionKey: string
  #shown = ""
  #provider: string | undefined
  #model: string | undefined
  #denied = 0
  #allowed = 0
  #begun = false
  #over = false
  #canceledHere = false
  #ownQuestions = new Set<string>()

  constructor(client: GatewayClient, saying: Saying, stage: Stage) {
    this.#client = client
    this.#stage = stage
    this.#saying = saying
    this.#sessionKey = stringOf(saying["sessionKey"]) ?? ""
  }

  async run({ signal, cancelWaitMs = CANCEL_WAIT_MS, again = false }: TurnOptions): Promise<Ending> {
    const stops = [
      this.#client.on("agent", (frame) => this.#hear(frame, (payload) => this.#agent(payload))),
      this.#client.on("chat", (frame) => this.#hear(frame, (payload) => this.#chat(payload))),
      this.#client.on("exec.approval.requested", (frame) => this.#hear(frame, (payload) => this.#asked(payload))),
      this.#client.on("exec.approval.resolved", (frame) => this.#answered(frame)),
      this.#client.on("connection.lost", () =>
        this.#stage.notice("warning", "The connection was lost; trying again …"),
      ),
      this.#client.on("connection.restored", (frame) => this.#restored(frame)),
    ]
    const cancel = () => this.#cancel(cancelWaitMs)
    try {
      signal?.throwIfAborted()
      // Also when it is canceled before it was accepted.
      signal?.addEventListener("abort", cancel, { once: true })
      void this.#client.closed.then((reason) => this.#end.reject(reason))
      this.#end.promise.catch(() => undefined)
      await this.#say(again)
      return await this.#end.promise
    } finally {
      signal?.removeEventListener("abort", cancel)
      for (const stop of stops) stop()
    }
  }

  async #say(again: boolean): Promise<void> {
    const { message, attachments, ...rest } = this.#saying
    const params = { ...(again ? rest : this.#saying), idempotencyKey: this.#runId }
    for (let attempt = 1; ; attempt++) {
      try {
        const answer: unknown = await this.#client.request(again ? "chat.resend" : "chat.send", params)
        const status = isObject(answer) ? answer["status"] : undefined
        this.#begin()
        // A repeat of what has ended meanwhile: its events are gone.
        if (status === "ok" || status === "error") await this.#catchUp()
        return
      } catch (error) {
        // Whether it was heard is not known: the key makes a repeat harmless. The request waits for the connection.
        if (!(error instanceof PincerError) || error.code !== "UNAVAILABLE" || !error.retryable || attempt >= 5)
          throw error
      }
    }
  }

  #hear(frame: EventFrame, then: (payload: Record<string, unknown>) => void): void {
    const { payload } = frame
    if (this.#over || !isObject(payload) || payload["runId"] !== this.#runId) return
    this.#sessionKey = stringOf(payload["sessionKey"]) ?? this.#sessionKey
    this.#begin()
    then(payload)
  }

  /** Accepted: told by the answer or by the first event, whichever is heard first. */
  #begin(): void {
    if (this.#begun) return
    this.#begun = true
    this.#stage.started({ runId: this.#runId, sessionKey: this.#sessionKey })
  }

  #agent(payload: Record<string, unknown>): void {
    const data = isObject(payload["data"]) ? payload["data"] : {}
    switch (payload["stream"]) {
      case "assistant":
        this.#text(stringOf(data["delta"]) ?? "")
        break
      case "thinking":
        this.#stage.thinking(stringOf(data["delta"]) ?? "")
        break
      case "tool":
        this.#tool(data)
        break
      case "notice":
        this.#stage.notice(data["level"] === "warning" ? "warning" : "info", stringOf(data["text"]) ?? "")
        break
      case "plan":
        this.#stage.plan(stringOf(data["planId"]) ?? MAIN_PLAN, planOf(data["plan"]))
        break
      case "lifecycle":
        this.#lifecycle(data)
        break
      default:
    }
  }

  #lifecycle(data: Record<string, unknown>): void {
    if (data["phase"] === "model") {
      this.#provider = stringOf(data["provider"])
      this.#model = stringOf(data["model"])
      this.#stage.model(this.#provider ?? "", this.#model ?? "")
    } else if (data["phase"] === "interrupted") {
      const stops = data["reason"] === "shutdown"
      this.#stage.notice(
        "warning",
        stops ? "The gateway stops: the turn goes on when it runs again" : "Going on after an interruption",
      )
    }
  }

  #text(delta: string): void {
    if (delta === "") return
    this.#shown += delta
    this.#stage.text(delta)
  }

  #tool(data: Record<string, unknown>): void {
    const callId = stringOf(data["toolCallId"]) ?? ""
    const name = stringOf(data["name"]) ?? ""
    if (data["phase"] === "start") {
      const args = isObject(data["args"]) ? data["args"] : {}
      this.#stage.toolStarted({ callId, name, args, title: stringOf(data["title"]) ?? JSON.stringify(args) })
    } else if (data["phase"] === "update")
      this.#stage.toolUpdated({ callId, name, output: stringOf(data["partialResult"]) ?? "" })
    else if (data["phase"] === "result") {
      const result = isObject(data["result"]) ? data["result"] : {}
      const details = isObject(result["details"]) ? result["details"] : {}
      if (details["denied"] === true) this.#denied += 1
      const durationMs = typeof data["durationMs"] === "number" ? data["durationMs"] : 0
      this.#stage.toolEnded({
        callId,
        name,
        isError: data["isError"] === true,
        text: textIn(result),
        details,
        changes: changesOf(data["changes"]),
        durationMs,
      })
    }
  }

  #asked(row: Record<string, unknown>): void {
    const question = questionOf(row)
    if (this.#ownQuestions.has(question.id)) return
    this.#ownQuestions.add(question.id)
    this.#stage.asked(question)
  }

  #answered({ payload }: EventFrame): void {
    const id = isObject(payload) ? stringOf(payload["id"]) : undefined
    if (!isObject(payload) || id === undefined || !this.#ownQuestions.has(id)) return
    const decision = stringOf(payload["decision"]) ?? null
    if (decision?.startsWith("allow-")) this.#allowed += 1
    const reason = decision === null ? stringOf(payload["status"]) : undefined
    const by = stringOf(payload["resolvedBy"])
    this.#stage.answered({ id, decision, by, ...(reason === undefined ? {} : { reason }) })
  }

  #chat(payload: Record<string, unknown>): void {
    const state = payload["state"]
    const stopReason = stringOf(payload["stopReason"])
    const usage = isObject(payload["usage"]) ? payload["usage"] : undefined
    if (state === "final") this.#finish({ status: "completed", stopReason, usage })
    else if (state === "aborted") this.#finish({ status: "canceled", stopReason, usage })
    else if (state === "error") {
      const detail = isObject(payload["errorDetail"]) ? payload["errorDetail"] : {}
      const kind = stringOf(payload["errorKind"])
      const code = stringOf(detail["code"]) ?? (kind === "timeout" ? "TIMEOUT" : "INTERNAL_ERROR")
      const message = stringOf(payload["errorMessage"]) ?? "The turn failed"
      const timedOut = stopReason === "time_limit" || code === "TIMEOUT"
      this.#finish({
        status: timedOut ? "timeout" : "failed",
        stopReason,
        usage,
        error: { code, message, ...(kind ? { kind } : {}) },
      })
    }
  }

  #finish(how: Pick<Ending, "status" | "stopReason" | "usage"> & { error?: Ending["error"] }): void {
    if (this.#over) return
    this.#over = true
    const ending: Ending = {
      error: undefined,
      ...how,
      runId: this.#runId,
      sessionKey: this.#sessionKey,
      text: this.#shown,
      provider: this.#provider,
      model: this.#model,
      denied: this.#denied,
      exitCode: this.#exitCode(how),
    }
    this.#stage.ended(ending)
    this.#end.resolve(ending)
  }

  #exitCode({ status, error }: { status: Ending["status"]; error?: Ending["error"] }): number {
    switch (status) {
      case "completed":
        return this.#wasDenied() ? ERROR_TABLE.PERMISSION_DENIED.exit : 0
      case "canceled":
        // Some external agents give the whole turn up when they are refused something.
        return !this.#canceledHere && this.#wasDenied() ? ERROR_TABLE.PERMISSION_DENIED.exit : ERROR_TABLE.ABORTED.exit
      case "timeout":
        return ERROR_TABLE.TIMEOUT.exit
      case "failed":
        return error && isErrorCode(error.code) && error.code !== "ABORTED" ? ERROR_TABLE[error.code].exit : 1
    }
  }

  /** Nothing of what needed leave got it. */
  #wasDenied(): boolean {
    return this.#denied > 0 && this.#allowed === 0
  }

  #cancel(waitMs: number): void {
    this.#canceledHere = true
    this.#client.request("chat.abort", { runId: this.#runId }).catch((error: unknown) => {
      if (this.#over) return
      const message = error instanceof Error ? error.message : String(error)
      this.#stage.notice("warning", `The turn could not be canceled: ${message}`)
    })
    setTimeout(() => this.#finish({ status: "canceled", stopReason: "aborted", usage: undefined }), waitMs).unref()
  }

  #restored({ payload }: EventFrame): void {
    if (isObject(payload) && payload["resumed"] === true) {
      this.#stage.notice("info", "Connected again")
      return
    }
    this.#stage.notice("info", "Connected again; some of what happened meanwhile may not have been shown")
    this.#catchUp().catch((error: unknown) => {
      if (!this.#over && !(error instanceof PincerError && error.code === "UNAVAILABLE")) this.#end.reject(error)
    })
  }

  /** After events were missed: if the turn has ended meanwhile, shows the rest of its answer and ends. */
  async #catchUp(): Promise<void> {
    const now: unknown = await this.#client.request("agent.wait", { runId: this.#runId, timeoutMs: 0 })
    if (!isObject(now) || now["endedAt"] === null || this.#over) return
    const text = await this.#answerInHistory()
    if (this.#over) return
    this.#text(text.startsWith(this.#shown) ? text.slice(this.#shown.length) : `\n\n${text}`)
    const message = stringOf(now["error"])
    const timedOut = now["status"] === "timeout"
    const status =
      now["aborted"] === true ? "canceled" : timedOut ? "timeout" : now["status"] === "ok" ? "completed" : "failed"
    const code = stringOf(now["errorCode"]) ?? (timedOut ? "TIMEOUT" : "INTERNAL_ERROR")
    const error = message === undefined ? undefined : { code, message }
    this.#finish({ status, stopReason: stringOf(now["stopReason"]), usage: undefined, ...(error ? { error } : {}) })
  }

  async #answerInHistory(): Promise<string> {
    const params = this.#sessionKey === "" ? { sessionKey: "main" } : { sessionKey: this.#sessionKey }
    const history: unknown = await this.#client.request("chat.history", { ...params, limit: 200 })
    const messages = isObject(history) && Array.isArray(history["messages"]) ? history["messages"].filter(isObject) : []
    return messages
      .filter((message) => message["runId"] === this.#runId && message["role"] === "assistant")
      .map(textIn)
      .filter((text) => text !== "")
      .join("\n\n")
  }
}

export function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined
}

/** The text blocks of a message or a result, joined. */
export function textIn(value: Record<string, unknown>): string {
  const { content } = value
  if (typeof content === "string") return content
  if (!Array.isArray(content)) return ""
  return content
    .filter(isObject)
    .map((block) => (block["type"] === "text" ? (stringOf(block["text"]) ?? "") : ""))
    .join("")
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_TABLE, code)
}
