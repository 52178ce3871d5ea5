// A small ACP agent for tests of whoever talks to one: the words of a prompt say what it does. No package, no network.
import { createInterface } from "node:readline"

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
const update = (fields) => send({ method: "session/update", params: { sessionId: "s1", update: fields } })
const say = (text) => update({ sessionUpdate: "agent_message_chunk", content: { type: "text", text } })
const options = [
  { optionId: "always", kind: "allow_always", name: "Always" },
  { optionId: "yes", kind: "allow_once", name: "Yes" },
  { optionId: "no", kind: "reject_once", name: "No" },
]
const waiting = new Map()
let nextId = 100

function ask(toolCall) {
  const id = nextId++
  send({ id, method: "session/request_permission", params: { sessionId: "s1", toolCall, options } })
  return new Promise((resolve) => waiting.set(id, resolve))
}

async function prompted(text) {
  if (text === "die") process.exit(7)
  if (text === "environment")
    say(
      JSON.stringify({
        shell: process.env.PINCER_SHELL,
        key: process.env.OPENAI_API_KEY ?? null,
        args: process.argv.slice(2),
      }),
    )
  else if (text.startsWith("call ")) {
    const { outcome } = await ask({ toolCallId: "c1", ...JSON.parse(text.slice(5)) })
    say(`chosen ${outcome.optionId ?? outcome.outcome}`)
  } else if (text === "everything") {
    update({ sessionUpdate: "agent_thought_chunk", content: { type: "text", text: "hm" } })
    update({ sessionUpdate: "plan", entries: [{ content: "one", status: "completed" }, { content: "two" }] })
    update({ sessionUpdate: "tool_call", toolCallId: "c1", title: "read: x", status: "in_progress" })
    update({ sessionUpdate: "tool_call_update", toolCallId: "c1", status: "completed" })
    update({ sessionUpdate: "something_new", x: 1 })
    say("done \u001b[31mred")
  } else {
    say("Hello ")
    say(text)
  }
}

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, method, params, result } = JSON.parse(line)
  if (method === "initialize")
    send({ id, result: { protocolVersion: 1, agentInfo: { name: "fake", version: "1" }, agentCapabilities: {} } })
  else if (method === "session/new") {
    send({ id, result: { sessionId: "s1" } })
    update({ sessionUpdate: "available_commands_update", availableCommands: [{ name: "new", description: "" }] })
  } else if (method === "session/prompt") {
    await prompted(params.prompt[0].text)
    send({ id, result: { stopReason: "end_turn" } })
  } else if (waiting.has(id)) waiting.get(id)(result)
})
