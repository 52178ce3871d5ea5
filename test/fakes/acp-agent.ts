// An external agent that speaks real ACP over stdio, version 1 and 2, and misbehaves when it is told to. Imports nothing of ours. Run as a
// program: node acp-agent.ts [--flag[=value] …]. A prompt's last text is its script: commands with ";" between them (see `commands`).
import { spawn } from "node:child_process"
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"

type Fields = Record<string, unknown>
type Id = number | string

const flags = new Map(
  process.argv.slice(2).map((one) => {
    const [name, ...value] = one.replace(/^--/, "").split("=")
    return [name!, value.join("=")] as const
  }),
)
const flag = (name: string) => flags.get(name)
const has = (name: string) => flags.has(name)
/** Where sessions are kept, so that another process finds them. */
const folder = flag("state")

interface Session {
  cwd: string
  told: { user: string; answer: string }[]
  model: string
  mode: string
  brave: boolean
  cancelled: boolean
  wake: (() => void) | undefined
}

const sessions = new Map<string, Session>()
const waiting = new Map<Id, (answer: { result?: Fields; error?: Fields }) => void>()
let version = 1
let nextId = 0
let count = 0
let loggedIn = !has("auth")

// -- wire

function raw(text: string): void {
  process.stdout.write(text)
}

function send(message: Fields): void {
  const text = JSON.stringify({ jsonrpc: "2.0", ...message })
  log("out", text)
  raw(`${text}\n`)
}

function log(direction: string, text: string): void {
  const file = flag("log")
  if (file) appendFileSync(file, `${direction} ${text}\n`)
}

function request(method: string, params: Fields, id: Id = nextId++): Promise<{ result?: Fields; error?: Fields }> {
  return new Promise((resolve) => {
    waiting.set(id, resolve)
    send({ id, method, params })
  })
}

function update(sessionId: string, body: Fields): void {
  send({ method: "session/update", params: { sessionId, update: body } })
}

class Refusal extends Error {
  readonly body: Fields
  constructor(code: number, message: string, data?: unknown) {
    super(message)
    this.body = { code, message, ...(data === undefined ? {} : { data }) }
  }
}

// -- sessions

const options = (session: Session) => {
  const id = version === 2 ? "configId" : "id"
  return [
    {
      [id]: "model",
      name: "Model",
      category: "model",
      type: "select",
      currentValue: session.model,
      options: [
        { value: "small", name: "Small one" },
        { group: "big", name: "Big ones", options: [{ value: "large", name: "Large one" }] },
      ],
    },
    {
      [id]: "mode",
      name: "Mode",
      category: "mode",
      type: "select",
      currentValue: session.mode,
      options: [
        { value: "ask", name: "Ask" },
        { value: "code", name: "Code" },
      ],
    },
    { [id]: "brave", name: "Brave", type: "boolean", currentValue: session.brave },
  ]
}

function facts(session: Session): Fields {
  if (has("bare")) return {}
  if (!has("legacy")) return { configOptions: options(session) }
  return {
    modes: {
      currentModeId: session.mode,
      availableModes: [
        { id: "ask", name: "Ask" },
        { id: "code", name: "Code" },
      ],
    },
    models: {
      currentModelId: session.model,
      availableModels: [
        { modelId: "small", name: "Small one" },
        { modelId: "large", name: "Large one" },
      ],
    },
  }
}

function made(id: string, cwd: string): Session {
  const session: Session = {
    ...{ cwd, told: [], model: "small", mode: "ask", brave: false, cancelled: false, wake: undefined },
  }
  sessions.set(id, session)
  return session
}

function keep(id: string, session: Session): void {
  if (!folder) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${id}.json`), JSON.stringify(session.told))
}

function found(id: string, cwd: string): Session {
  const known = sessions.get(id)
  if (known) return known
  const file = folder ? join(folder, `${id}.json`) : ""
  if (!file || !existsSync(file))
    throw new Refusal(-32002, "Resource not found", { details: `session ${id} not found` })
  const session = made(id, cwd)
  session.told = JSON.parse(readFileSync(file, "utf8")) as Session["told"]
  return session
}

function text(of: string, content: string, messageId?: string): Fields {
  const id = messageId ?? (version === 2 ? "m1" : undefined)
  return { sessionUpdate: of, content: { type: "text", text: content }, ...(id === undefined ? {} : { messageId: id }) }
}

// -- what is asked of it

function initialize(params: Fields): Fields {
  const highest = Number(flag("protocol") ?? 1)
  version = Number(flag("answer") ?? Math.min(Number(params["protocolVersion"]), highest))
  const info = { name: "fake", title: "Fake agent", version: "1.2.3" }
  const methods = has("auth")
    ? [{ [version === 2 ? "methodId" : "id"]: flag("auth") || "key", name: "A key", ...authShape() }]
    : []
  if (version === 2)
    return {
      protocolVersion: 2,
      info,
      authMethods: methods,
      capabilities: { session: { prompt: { image: {}, embeddedContext: {} }, mcp: { stdio: {}, http: {} } } },
    }
  return {
    protocolVersion: version,
    agentInfo: info,
    authMethods: methods,
    agentCapabilities: {
      loadSession: has("load"),
      promptCapabilities: { image: has("rich"), audio: has("rich"), embeddedContext: has("rich") },
      mcpCapabilities: { http: has("http"), sse: false },
      sessionCapabilities: { ...(has("resume") ? { resume: {} } : {}), ...(has("close") ? { close: {} } : {}) },
    },
  }
}

function authShape(): Fields {
  if (has("auth-env")) return { type: "env_var", vars: [{ name: flag("auth-env") || "FAKE_KEY" }] }
  return version === 2 ? { type: "agent" } : {}
}

function newSession(params: Fields): Fields {
  needLogin()
  const id = `s${process.pid}-${++count}`
  const session = made(id, String(params["cwd"]))
  if (has("early"))
    update(id, {
      sessionUpdate: "available_commands_update",
      availableCommands: [
        { name: "early", description: "Told before the answer", ...(version === 2 ? { type: "command" } : {}) },
      ],
    })
  if (has("early")) update("somebody-else", text("agent_message_chunk", "not for you"))
  keep(id, session)
  return { sessionId: id, ...facts(session) }
}

function needLogin(): void {
  if (has("auth-env") && process.env[flag("auth-env") || "FAKE_KEY"] === "sesame") loggedIn = true
  if (!loggedIn) throw new Refusal(-32000, "Authentication required")
}

function load(params: Fields, replay: boolean): Fields | null {
  needLogin()
  if (has("load-fails")) throw new Refusal(-32603, "Internal error", { details: "the record is broken" })
  const id = String(params["sessionId"])
  const session = found(id, String(params["cwd"]))
  if (replay)
    for (const { answer, user } of session.told) {
      update(id, text("user_message_chunk", user))
      update(id, text("agent_message_chunk", answer))
      update(id, { sessionUpdate: "tool_call", toolCallId: "old", title: "An old call", status: "completed" })
    }
  return has("null-load") ? null : facts(session)
}

function setOption(params: Fields): Fields {
  const session = sessions.get(String(params["sessionId"]))
  if (!session) throw new Refusal(-32602, "no session")
  if (has("stubborn")) throw new Refusal(-32603, "Internal error", { details: "this cannot be changed now" })
  if (params["configId"] === "model") session.model = String(params["value"])
  if (params["configId"] === "mode") session.mode = String(params["value"])
  if (params["configId"] === "brave") session.brave = params["value"] === true
  return { configOptions: options(session) }
}

async function prompt(params: Fields): Promise<Fields | undefined> {
  const id = String(params["sessionId"])
  const session = sessions.get(id)
  if (has("prompt-auth")) needLogin()
  if (!session) throw new Refusal(-32602, "Invalid params", { details: `Session not found: ${id}` })
  session.cancelled = false
  const blocks = params["prompt"] as Fields[]
  const script = String(blocks.findLast((one) => one["type"] === "text")?.["text"] ?? "")
  const run = async () => {
    const state = { id, session, blocks, stop: "end_turn", usage: undefined, after: undefined } as Run
    if (version === 2) update(id, { sessionUpdate: "user_message", messageId: "u1", content: blocks })
    if (version === 2) update(id, { sessionUpdate: "state_update", state: "running" })
    for (const step of script.split(";")) {
      if (session.cancelled) break
      await perform(step.trim(), state)
    }
    session.told.push({ user: script, answer: state.said ?? "" })
    keep(id, session)
    return state
  }
  if (version === 1) {
    const state = await run()
    setImmediate(() => state.after?.())
    return { stopReason: session.cancelled ? "cancelled" : state.stop, ...(state.usage ? { usage: state.usage } : {}) }
  }
  setImmediate(() => {
    void run().then((state) =>
      update(id, {
        sessionUpdate: "state_update",
        state: "idle",
        stopReason: session.cancelled ? "cancelled" : state.stop,
        ...(state.usage ? { usage: state.usage } : {}),
      }),
    )
  })
  return { messageId: "u1" }
}

// -- scripts

interface Run {
  id: string
  session: Session
  blocks: Fields[]
  stop: string
  usage: Fields | undefined
  after: (() => void) | undefined
  said?: string
}

function say(run: Run, words: string, messageId?: string): void {
  run.said = (run.said ?? "") + words
  update(run.id, text("agent_message_chunk", words, messageId))
}

function tool(run: Run, toolCallId: string, more: Fields, kind = "tool_call"): void {
  const first = version === 2 ? "tool_call_update" : kind
  update(run.id, { sessionUpdate: first, toolCallId, ...more })
}

const OPTIONS = [
  { optionId: "yes", name: "Yes", kind: "allow_once" },
  { optionId: "yes-always", name: "Always", kind: "allow_always" },
  { optionId: "no", name: "No", kind: "reject_once" },
]

async function permission(run: Run, toolCallId: string, offered: string): Promise<string> {
  const call = { toolCallId, title: `Do ${toolCallId}`, kind: "execute", rawInput: { command: `do ${toolCallId}` } }
  const kinds = offered === "" ? OPTIONS : OPTIONS.filter((one) => offered.split(",").includes(one.kind))
  const params =
    version === 2
      ? {
          sessionId: run.id,
          title: `Do ${toolCallId}?`,
          subject: { type: "tool_call", toolCall: call },
          options: kinds,
        }
      : { sessionId: run.id, toolCall: call, options: kinds }
  const { error, result } = await request("session/request_permission", params)
  const outcome = (result?.["outcome"] ?? {}) as Fields
  return error ? `error ${error["code"]}` : String(outcome["optionId"] ?? outcome["outcome"])
}

/** Waits until it is cancelled, or for ever. */
function hang(session: Session): Promise<void> {
  return new Promise((resolve) => {
    session.wake = resolve
  })
}

async function asked(run: Run, method: string, params: Fields): Promise<void> {
  const { error, result } = await request(method, { sessionId: run.id, ...params })
  say(
    run,
    error ? `[${method} refused ${error["code"]}: ${error["message"]}]` : `[${method} ${JSON.stringify(result)}]`,
  )
}

async function terminal(run: Run, command: string): Promise<void> {
  const words = command.split(" ")
  const { error, result } = await request("terminal/create", {
    ...{ sessionId: run.id, command: words[0], args: words.slice(1), env: [{ name: "A", value: "1" }] },
  })
  if (error) return say(run, `[terminal refused: ${error["message"]}]`)
  const terminalId = String(result!["terminalId"])
  tool(run, "t1", {
    title: command,
    kind: "execute",
    status: "in_progress",
    content: [{ type: "terminal", terminalId }],
  })
  const exit = await request("terminal/wait_for_exit", { sessionId: run.id, terminalId })
  const output = await request("terminal/output", { sessionId: run.id, terminalId })
  tool(run, "t1", { status: "completed" }, "tool_call_update")
  say(
    run,
    `[exit ${JSON.stringify(exit.result ?? exit.error)} output ${JSON.stringify(output.result ?? output.error)}]`,
  )
  if (!command.includes("keep")) await request("terminal/release", { sessionId: run.id, terminalId })
}

const commands: Record<string, (run: Run, rest: string) => unknown> = {
  say: (run, rest) => say(run, rest),
  message: (run, rest) => say(run, rest.slice(rest.indexOf(" ") + 1), rest.split(" ")[0]),
  chunks: (run, rest) => {
    for (let i = 0; i < Number(rest); i++) say(run, `${i} `)
  },
  think: (run, rest) => update(run.id, text("agent_thought_chunk", rest)),
  whole: (run, rest) =>
    update(run.id, { sessionUpdate: "agent_message", messageId: "m1", content: [{ type: "text", text: rest }] }),
  image: (run) =>
    update(run.id, {
      sessionUpdate: "agent_message_chunk",
      content: { type: "image", mimeType: "image/png", data: "aGk=" },
      ...(version === 2 ? { messageId: "m1" } : {}),
    }),
  plan: (run) => {
    const entries = [
      { content: "First", priority: "high", status: "completed" },
      { content: "Then", priority: "low", status: "pending" },
    ]
    const plan = { type: "items", planId: "main", entries }
    update(run.id, version === 2 ? { sessionUpdate: "plan_update", plan } : { sessionUpdate: "plan", entries })
  },
  planfile: (run) =>
    update(run.id, { sessionUpdate: "plan_update", plan: { type: "markdown", planId: "p2", content: "# Plan" } }),
  unplan: (run) => update(run.id, { sessionUpdate: "plan_removed", planId: "p2" }),
  tool: (run, rest) => {
    tool(run, rest, {
      title: `Reads ${rest}`,
      kind: "read",
      status: "pending",
      rawInput: { path: `/x/${rest}` },
      locations: [{ path: `/x/${rest}`, line: 3 }],
    })
    const diff = { type: "diff", path: `/x/${rest}`, oldText: "a", newText: "b" }
    const patch = {
      type: "diff",
      changes: [{ operation: "modify", path: `/x/${rest}` }],
      patch: {
        format: "git_patch",
        text: `diff --git a/x/${rest} b/x/${rest}\n--- a/x/${rest}\n+++ b/x/${rest}\n@@ -1 +1 @@\n-a\n+b\n`,
      },
    }
    tool(
      run,
      rest,
      {
        status: "completed",
        content: [version === 2 ? patch : diff],
        rawOutput: { ok: true },
        _meta: { claudeCode: { toolName: "Read" } },
      },
      "tool_call_update",
    )
  },
  open: (run, rest) => tool(run, rest, { title: `Works on ${rest}`, status: "in_progress" }),
  close: (run, rest) => tool(run, rest, { status: "completed" }, "tool_call_update"),
  updatefirst: (run, rest) =>
    tool(run, rest, { title: "Late but here", kind: "edit", status: "completed" }, "tool_call_update"),
  toolask: async (run, rest) => {
    const [id = "c1", offered = ""] = rest.split(" ")
    const outcome = await permission(run, id, offered)
    tool(run, id, { title: `Do ${id}`, status: outcome.startsWith("yes") ? "completed" : "failed" })
    say(run, `[${outcome}]`)
  },
  asktwice: async (run) => {
    const both = await Promise.all([permission(run, "a", ""), permission(run, "b", "")])
    say(run, `[${both.join(" ")}]`)
  },
  read: (run, rest) => asked(run, "fs/read_text_file", { path: rest, line: 2, limit: 1 }),
  write: (run, rest) =>
    asked(run, "fs/write_text_file", { path: rest.split(" ")[0], content: rest.split(" ").slice(1).join(" ") }),
  term: (run, rest) => terminal(run, rest),
  noterm: (run) => asked(run, "terminal/output", { terminalId: "nobody" }),
  ownterm: (run) => {
    const meta = (more: Fields) => ({ _meta: more })
    tool(run, "o1", {
      title: "make",
      kind: "execute",
      status: "in_progress",
      content: [{ type: "terminal", terminalId: "own" }],
      ...meta({ terminal_info: { terminal_id: "own", cwd: "/x" } }),
    })
    tool(run, "o1", meta({ terminal_output: { terminal_id: "own", data: "one\n" } }), "tool_call_update")
    tool(run, "o1", meta({ terminal_output: { terminal_id: "own", data: "two\n" } }), "tool_call_update")
    tool(
      run,
      "o1",
      { status: "completed", ...meta({ terminal_exit: { terminal_id: "own", exit_code: 0, signal: null } }) },
      "tool_call_update",
    )
  },
  v2term: (run) => {
    tool(run, "o2", { title: "make", status: "in_progress", content: [{ type: "terminal", terminalId: "own" }] })
    update(run.id, { sessionUpdate: "terminal_update", terminalId: "own", command: "make" })
    const bytes = Buffer.from("héllo")
    update(run.id, {
      sessionUpdate: "terminal_output_chunk",
      terminalId: "own",
      data: bytes.subarray(0, 2).toString("base64"),
    })
    update(run.id, {
      sessionUpdate: "terminal_output_chunk",
      terminalId: "own",
      data: bytes.subarray(2).toString("base64"),
    })
    update(run.id, { sessionUpdate: "terminal_update", terminalId: "own", exitStatus: { exitCode: 0 } })
    tool(run, "o2", { status: "completed" })
  },
  ask: (run) => {
    const requestedSchema = { type: "object", properties: { name: { type: "string" } }, required: ["name"] }
    return asked(run, "elicitation/create", { message: "Who?", mode: "form", requestedSchema })
  },
  askpage: (run) =>
    asked(run, "elicitation/create", { message: "Go", mode: "url", url: "https://example.com/x", elicitationId: "e1" }),
  askodd: (run) => asked(run, "elicitation/create", { message: "Go", mode: "telepathy" }),
  usage: (run) =>
    update(run.id, { sessionUpdate: "usage_update", used: 1200, size: 200000, cost: { amount: 0.5, currency: "USD" } }),
  used: (run) => {
    run.usage = { totalTokens: 150, inputTokens: 100, outputTokens: 20, cachedReadTokens: 30 }
  },
  unknown: (run) => update(run.id, { sessionUpdate: "_fake/weather", sky: "grey" }),
  commands: (run) =>
    update(run.id, {
      sessionUpdate: "available_commands_update",
      availableCommands: [
        {
          name: "init",
          description: "Begins",
          input: { hint: "what", ...(version === 2 ? { type: "text" } : {}) },
          ...(version === 2 ? { type: "command" } : {}),
        },
      ],
    }),
  mode: (run, rest) => update(run.id, { sessionUpdate: "current_mode_update", currentModeId: rest }),
  title: (run, rest) => update(run.id, { sessionUpdate: "session_info_update", title: rest }),
  notice: (run, rest) => update(run.id, { sessionUpdate: "notice", severity: "warning", title: rest }),
  compaction: (run) => update(run.id, { sessionUpdate: "compaction_update", compactionId: "k", status: "completed" }),
  child: (run) => {
    update(run.id, { sessionUpdate: "subagent_update", sessionId: `${run.id}-child`, title: "Helper" })
    update(`${run.id}-child`, text("agent_message_chunk", "from below"))
  },
  garbage: () => raw("Debugger listening on 127.0.0.1\n\n{half\n"),
  array: (run) =>
    raw(`${JSON.stringify([{ jsonrpc: "2.0", method: "session/update", params: { sessionId: run.id } }])}\n`),
  odd: (run) => {
    for (const one of [
      null,
      7,
      { jsonrpc: "2.0" },
      { jsonrpc: "2.0", id: 999, result: {} },
      { jsonrpc: "2.0", id: null, method: "x" },
    ])
      raw(`${JSON.stringify(one)}\n`)
    for (const params of [{}, { sessionId: 7 }, { sessionId: run.id, update: null }, { sessionId: run.id, update: {} }])
      send({ method: "session/update", params })
    for (const body of [
      { sessionUpdate: "tool_call" },
      { sessionUpdate: "plan", entries: [7] },
      { sessionUpdate: "agent_message_chunk" },
      { sessionUpdate: "usage_update", used: "x" },
    ])
      update(run.id, body)
  },
  bigline: (run, rest) => say(run, "x".repeat(Number(rest) * 1024 * 1024)),
  split: (run) => {
    const bytes = Buffer.from(
      `${JSON.stringify({ jsonrpc: "2.0", method: "session/update", params: { sessionId: run.id, update: text("agent_message_chunk", "日本語🙂") } })}\n`,
    )
    return new Promise<void>((resolve) => {
      const step = (at: number) => {
        if (at >= bytes.length) return resolve()
        process.stdout.write(bytes.subarray(at, at + 50), () => setImmediate(() => step(at + 50)))
      }
      step(0)
    })
  },
  dup: async (run) => {
    const params = { sessionId: run.id, path: "/slow" }
    const first = new Promise<string>((resolve) => waiting.set("twice", (one) => resolve(one.error ? "error" : "ok")))
    send({ id: "twice", method: "fs/read_text_file", params })
    send({ id: "twice", method: "fs/read_text_file", params })
    say(run, `[${await first}]`)
  },
  method: (run, rest) => asked(run, rest, {}),
  other: async (run, rest) => {
    const { error } = await request("fs/read_text_file", { sessionId: rest, path: "/x" })
    say(run, `[${error?.["code"] ?? "served"}]`)
  },
  hang: (run) => hang(run.session),
  deafhang: () => new Promise(() => setInterval(() => undefined, 1_000)),
  askhang: async (run) => {
    const outcome = await permission(run, "h", "")
    say(run, `[${outcome}]`)
    if (!run.session.cancelled) await hang(run.session)
  },
  die: (_run, rest) => {
    process.stderr.write("fatal: out of cheese\n")
    process.exit(Number(rest || 3))
  },
  stop: (run, rest) => {
    run.stop = rest
  },
  error: (_run, rest) => {
    throw new Refusal(Number(rest.split(" ")[0]), "Internal error", { details: rest.split(" ").slice(1).join(" ") })
  },
  late: (run) => {
    run.after = () => void setTimeout(() => update(run.id, { sessionUpdate: "session_info_update", title: "Late" }), 50)
  },
  /** What follows is done after the turn has ended, steps with "," between them. */
  after: (run, rest) => {
    run.after = () =>
      void setTimeout(async () => {
        for (const step of rest.split(",")) await perform(step.trim(), run)
      }, 30)
  },
  forget: (run) => sessions.delete(run.id),
  blocks: (run) => say(run, JSON.stringify(run.blocks)),
  env: (run, rest) => say(run, JSON.stringify(rest.split(" ").map((name) => process.env[name] ?? null))),
  allenv: (run) => say(run, JSON.stringify(Object.keys(process.env).sort())),
  settings: (run) => say(run, `${run.session.model} ${run.session.mode} ${run.session.brave}`),
  pid: (run) => say(run, String(process.pid)),
  history: (run) => say(run, JSON.stringify(run.session.told.map((one) => one.user))),
  rounds: (run, rest) => {
    for (let i = 0; i < Number(rest); i++) {
      commands["tool"]!(run, `r${i}`)
      say(run, `round ${i} `)
    }
  },
}

async function perform(step: string, run: Run): Promise<void> {
  const [word = ""] = step.split(" ")
  const rest = step.slice(word.length + 1)
  const command = commands[word]
  if (command) await command(run, rest)
  else say(run, step)
}

// -- running

async function answer(method: string, params: Fields): Promise<unknown> {
  if (flag("die-at") === method) commands["die"]!({} as Run, "4")
  if (flag("hang-at") === method) await new Promise(() => undefined)
  switch (method) {
    case "initialize":
      return initialize(params)
    case "authenticate":
    case "auth/login":
      if (has("auth-refused")) throw new Refusal(-32603, "Internal error", { details: "wrong key" })
      loggedIn = true
      return {}
    case "session/new":
      return newSession(params)
    case "session/load":
      return load(params, true)
    case "session/resume":
      return load(params, false)
    case "session/close":
      sessions.delete(String(params["sessionId"]))
      return {}
    case "session/set_config_option":
      return setOption(params)
    case "session/set_mode":
      sessions.get(String(params["sessionId"]))!.mode = String(params["modeId"])
      return {}
    case "session/set_model":
      sessions.get(String(params["sessionId"]))!.model = String(params["modelId"])
      return {}
    case "session/prompt":
      return prompt(params)
    default:
      throw new Refusal(-32601, `Method not found: ${method}`)
  }
}

async function receive(line: string): Promise<void> {
  log("in", line)
  const message = JSON.parse(line) as Fields
  const { id, method } = message
  const params = (message["params"] ?? {}) as Fields
  if (typeof method !== "string") {
    const resolve = waiting.get(id as Id)
    waiting.delete(id as Id)
    resolve?.(message as { result?: Fields; error?: Fields })
    return
  }
  if (method === "session/cancel") {
    const session = sessions.get(String(params["sessionId"]))
    if (has("deaf-to-cancel") || !session) return
    session.cancelled = true
    session.wake?.()
    return
  }
  if (id === undefined) return
  try {
    send({ id, result: (await answer(method, params)) ?? null })
  } catch (error) {
    send({ id, error: error instanceof Refusal ? error.body : { code: -32603, message: String(error) } })
  }
}

if (has("stderr")) process.stderr.write(`${flag("stderr")}\n`)
if (has("exit")) process.exit(Number(flag("exit")))
if (has("ignore-term")) process.on("SIGTERM", () => undefined)
if (has("ignore-eof")) setInterval(() => undefined, 1_000)
/** A child that ignores everything but SIGKILL, in the same group; or in one of its own. */
if (has("child") || has("far-child")) {
  const stubborn = "process.on('SIGTERM',()=>{});setInterval(()=>{},1000)"
  const child = spawn(process.execPath, ["-e", stubborn], { stdio: "ignore", detached: has("far-child") })
  child.unref()
  const file = flag("child") || flag("far-child")
  if (file) writeFileSync(file, String(child.pid))
}
const lines = createInterface({ input: process.stdin })
lines.on("line", (line) => {
  void receive(line)
})
lines.on("close", () => {
  if (!has("ignore-eof")) process.exit(0)
})
