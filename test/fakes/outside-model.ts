// The mind of agents that others wrote: answers for the fake model service that do what the last prompt says, on whichever wire it came.
// A prompt says "@say words", "@think words", "@shell command", "@recall" or "@hang"; what else an agent asks (a title, a guess) is
// answered with one harmless word.
import { isObject } from "../../src/base/json.ts"
import type { FakeCall, FakeReply, FakeRequest } from "./model-service.ts"

interface Entry {
  from: "user" | "result" | "other"
  text: string
}

const ORDER = /@(say|think|shell|recall|hang)\b[ \t]*([^\n"<]*)/g
const USAGE = { input: 120, output: 30, cached: 20, reasoning: 5 }
let answers = 0

export function obey(request: FakeRequest): FakeReply {
  if (/count_tokens|countTokens/.test(request.path)) return { json: { input_tokens: 10, totalTokens: 10 } }
  const entries = entriesOf(request)
  const orders = entries.map((one) => (one.from === "user" ? [...one.text.matchAll(ORDER)] : []))
  const last = orders.findLastIndex((one) => one.length > 0)
  const id = `${(answers += 1)}`
  const [, verb, words = ""] = orders[last]?.at(-1) ?? []
  const tools = toolNames(request.body)
  if (verb === undefined || tools.length === 0) return plain(request, "Title", id)
  const results = entries.slice(last + 1).filter((one) => one.from === "result")
  if (results.length > 0) return { text: `done: ${results.at(-1)!.text.slice(0, 300)}`, usage: USAGE, id }
  switch (verb) {
    case "think":
      return { thinking: `I think of ${words}`, text: "thought", deltaSize: 60, usage: USAGE, id }
    case "recall": {
      const heard = orders
        .slice(0, last)
        .flatMap((all) => all.flatMap((one) => (one[1] === "say" ? [one[2]!.trim()] : [])))
      return { text: `heard: ${[...new Set(heard)].join(", ")}`, usage: USAGE, id }
    }
    case "hang":
      return { text: "begun and never ended", gate: request.closed, usage: USAGE, id }
    case "shell":
      return { calls: [shellCall(tools, words.trim(), `call_${crypto.randomUUID()}`)], usage: USAGE, id }
    default:
      return plain(request, words.trim(), id)
  }
}

/** Gemini's other method wants one JSON body. */
function plain(request: FakeRequest, text: string, id: string): FakeReply {
  if (!request.path.includes(":generateContent")) return { text, usage: USAGE, id }
  const candidate = { content: { role: "model", parts: [{ text }] }, finishReason: "STOP", index: 0 }
  return { json: { candidates: [candidate], usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1 } } }
}

function toolNames(value: unknown): string[] {
  const found: string[] = []
  const look = (tool: unknown): void => {
    if (!isObject(tool)) return
    for (const list of [tool["tools"], tool["functionDeclarations"]]) if (Array.isArray(list)) list.forEach(look)
    const named = isObject(tool["function"]) ? tool["function"]["name"] : tool["name"]
    if (typeof named === "string") found.push(named)
  }
  if (isObject(value) && Array.isArray(value["tools"])) value["tools"].forEach(look)
  return found
}

const SHELLS: Readonly<Record<string, (command: string) => Record<string, unknown>>> = {
  Bash: (command) => ({ command, description: "Runs it" }),
  run_shell_command: (command) => ({ command, description: "Runs it" }),
  bash: (command) => ({ command, description: "Runs it" }),
  exec_command: (cmd) => ({ cmd, sandbox_permissions: "require_escalated", justification: "It must be run" }),
  shell_command: (command) => ({ command, sandbox_permissions: "require_escalated", justification: "It must be run" }),
  shell: (command) => ({
    command: ["sh", "-c", command],
    sandbox_permissions: "require_escalated",
    justification: "It must be run",
  }),
}

function shellCall(tools: readonly string[], command: string, id: string): FakeCall {
  const name = Object.keys(SHELLS).find((one) => tools.includes(one))
  if (name === undefined) throw new TypeError(`None of its tools runs commands: ${tools.join(", ")}`)
  return { id, name, args: SHELLS[name]!(command) }
}

function entriesOf({ body, wire }: FakeRequest): Entry[] {
  const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
  switch (wire) {
    case "anthropic":
      return list(body["messages"]).flatMap(anthropicEntries)
    case "openai-responses":
      return list(body["input"]).map((item) => {
        const fields = isObject(item) ? item : {}
        if (String(fields["type"]).endsWith("_output")) return { from: "result", text: textOf(fields["output"]) }
        return { from: fields["role"] === "user" ? "user" : "other", text: textOf(fields["content"]) }
      })
    case "openai-chat":
      return list(body["messages"]).map((item) => {
        const fields = isObject(item) ? item : {}
        const from = fields["role"] === "tool" ? "result" : fields["role"] === "user" ? "user" : "other"
        return { from, text: textOf(fields["content"]) }
      })
    case "gemini":
      return list(body["contents"]).flatMap(geminiEntries)
    default:
      return []
  }
}

function anthropicEntries(item: unknown): Entry[] {
  const { content, role } = isObject(item) ? item : {}
  const parts = Array.isArray(content) ? content : [{ type: "text", text: content }]
  return parts.map((part) => {
    if (isObject(part) && part["type"] === "tool_result") return { from: "result", text: textOf(part["content"]) }
    return { from: role === "user" ? "user" : "other", text: textOf([part]) }
  })
}

function geminiEntries(item: unknown): Entry[] {
  const { parts, role } = isObject(item) ? item : {}
  return (Array.isArray(parts) ? parts : []).map((part) => {
    if (isObject(part) && part["functionResponse"] !== undefined)
      return { from: "result", text: JSON.stringify(part["functionResponse"]) }
    return { from: role === "user" ? "user" : "other", text: textOf([part]) }
  })
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value
  if (!Array.isArray(value)) return value === undefined ? "" : JSON.stringify(value)
  return value.map((one) => (isObject(one) && typeof one["text"] === "string" ? one["text"] : "")).join("\n")
}
