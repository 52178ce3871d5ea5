// What this client lends to its sessions: its files, its terminals, its ear for questions and the MCP servers that it named. The gateway
// asks for them by events, each with an id; here they become the client's own methods.
import { asPincerError, PincerError } from "../../base/errors.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import type { UserAnswer, UserQuestion } from "../../protocol/question.ts"
import { type Fields, fieldsOf, rowsOf, textOf, wordsOf } from "./params.ts"
import type { Bound, Room } from "./room.ts"

/** Starting and asking every MCP server. */
const LEND_MS = 120_000

export interface Loan {
  servers: McpServer[]
}

function offerOf({ client }: Room, servers: readonly McpServer[]): Fields | undefined {
  const { readText, writeText, terminal, form, url } = client
  if (!readText && !writeText && !terminal && !form && !url && servers.length === 0) return undefined
  return {
    ...(readText || writeText ? { fs: { readText, writeText } } : {}),
    ...(terminal ? { terminal } : {}),
    ...(form || url ? { questions: { form, url } } : {}),
    ...(servers.length > 0 ? { mcpServers: servers } : {}),
  }
}

/**
 * Lends to a session, again with every call. Returns what did not work of the MCP servers, in words. Throws UNAVAILABLE, naming them,
 * when none of them works.
 */
export async function lend(room: Room, session: Bound, { servers }: Loan): Promise<string[]> {
  const offer = offerOf(room, servers)
  if (!offer) {
    session.lends = false
    return []
  }
  const { cwd, roots } = session.place
  const params = { lender: session.lender, sessionKey: session.key, cwd, roots: [cwd, ...roots], ...offer }
  const answer = fieldsOf(await room.gateway.request("client.lend", params, { timeoutMs: LEND_MS }))
  session.lends = true
  const problems = rowsOf(answer["problems"]).map((row) => ({
    server: String(row["server"]),
    text: `MCP server "${String(row["server"])}" cannot be used: ${String(row["message"])}`,
  }))
  const broken = new Set(problems.map(({ server }) => server))
  const texts = problems.map(({ text }) => text)
  if (servers.length > 0 && servers.every(({ name }) => broken.has(name)))
    throw new PincerError("UNAVAILABLE", texts.join("; "), { retryable: false })
  return texts
}

export async function release(room: Room, session: Bound): Promise<void> {
  if (!session.lends) return
  session.lends = false
  await room.gateway.request("client.release", { lender: session.lender })
}

/** Answers what the gateway asks of this client. */
export class LoanDesk {
  readonly #room: Room
  readonly #open = new Map<string, AbortController>()
  readonly #sessionOf: (lender: string) => Bound | undefined

  constructor(room: Room, sessionOf: (lender: string) => Bound | undefined) {
    this.#room = room
    this.#sessionOf = sessionOf
  }

  /** Event `client.asked`. */
  asked(payload: unknown): void {
    const { id, lender, what, params } = fieldsOf(payload)
    if (typeof id !== "string" || typeof lender !== "string" || typeof what !== "string") return
    const session = this.#sessionOf(lender)
    // Another bridge on the same connection may have lent it.
    if (!session || this.#open.has(id)) return
    const controller = new AbortController()
    this.#open.set(id, controller)
    this.#answer(id, session, what, fieldsOf(params), controller.signal)
      .catch((error: unknown) => {
        const { message } = asPincerError(error)
        this.#room.log.warn({ what, reason: message }, "An answer of the client did not arrive")
      })
      .finally(() => this.#open.delete(id))
  }

  /** Event `client.withdrawn`. */
  withdrawn(payload: unknown): void {
    const id = textOf(fieldsOf(payload)["id"])
    if (id !== undefined) this.#open.get(id)?.abort()
  }

  async #answer(id: string, session: Bound, what: string, params: Fields, signal: AbortSignal): Promise<void> {
    let said: Fields
    try {
      said = { result: await this.#carryOut(session, what, params, signal) }
    } catch (error) {
      if (signal.aborted) return
      said = { error: { message: wordsOf(error).slice(0, 2_000) } }
    }
    await this.#room.gateway.request("client.answer", { id, ...said })
  }

  async #carryOut(session: Bound, what: string, params: Fields, signal: AbortSignal): Promise<Fields> {
    const { peer } = this.#room
    const ask = async (method: string, fields: Fields): Promise<Fields> =>
      fieldsOf(await peer.request(method, { sessionId: session.id, ...fields }, { signal }))
    const { terminalId } = params
    switch (what) {
      case "readText": {
        const { content } = await ask("fs/read_text_file", { path: params["path"] })
        if (typeof content !== "string") throw new PincerError("UNAVAILABLE", "The client gave no text of the file")
        return { text: content }
      }
      case "writeText":
        await ask("fs/write_text_file", { path: params["path"], content: params["text"] })
        return {}
      case "terminal.create":
        return create(await ask("terminal/create", commandOf(params)))
      case "terminal.output":
        return outputOf(await ask("terminal/output", { terminalId }))
      case "terminal.wait":
        return exitOf(await ask("terminal/wait_for_exit", { terminalId }))
      case "terminal.kill":
        await ask("terminal/kill", { terminalId })
        return {}
      case "terminal.release":
        await ask("terminal/release", { terminalId })
        return {}
      case "question":
        return { answer: await this.#question(session, params["question"] as UserQuestion, signal) }
      default:
        throw new PincerError("NOT_IMPLEMENTED", `This client does not lend "${what}"`)
    }
  }

  async #question(session: Bound, question: UserQuestion, signal: AbortSignal): Promise<UserAnswer> {
    const { callId, message } = question
    const scope = { sessionId: session.id, ...(callId === undefined ? {} : { toolCallId: callId }), message }
    const fields =
      question.type === "form"
        ? { mode: "form", requestedSchema: { ...question.schema, type: "object" } }
        : { mode: "url", url: question.url, elicitationId: question.elicitationId }
    const answer = fieldsOf(await this.#room.peer.request("elicitation/create", { ...scope, ...fields }, { signal }))
    switch (answer["action"]) {
      case "accept":
        return { type: "accepted", content: fieldsOf(answer["content"]) }
      case "decline":
        return { type: "declined" }
      default:
        return { type: "canceled" }
    }
  }
}

function commandOf({ command, args, env, cwd, outputByteLimit }: Fields): Fields {
  const pairs = Object.entries(fieldsOf(env)).map(([name, value]) => ({ name, value: String(value) }))
  return { command, args, env: pairs, cwd, outputByteLimit }
}

function create({ terminalId }: Fields): Fields {
  if (typeof terminalId !== "string") throw new PincerError("UNAVAILABLE", "The client opened no terminal")
  return { terminalId }
}

function outputOf({ output, truncated, exitStatus }: Fields): Fields {
  const ended = exitStatus === undefined || exitStatus === null ? {} : exitOf(fieldsOf(exitStatus))
  return { output: typeof output === "string" ? output : "", truncated: truncated === true, ...ended }
}

function exitOf({ exitCode, signal }: Fields): Fields {
  return {
    exitCode: typeof exitCode === "number" ? exitCode : null,
    signal: typeof signal === "string" ? signal : null,
  }
}
