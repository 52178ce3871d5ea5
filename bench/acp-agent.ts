// The cheapest external agent there is, for benchmarks: it answers each prompt with one chunk that says when the prompt came and when the
// chunk left, in milliseconds of the machine's clock.
import { createInterface } from "node:readline"

const now = () => performance.timeOrigin + performance.now()
const send = (body: object) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...body })}\n`)
let sessions = 0

createInterface({ input: process.stdin }).on("line", (line) => {
  const came = now()
  const { id, method, params } = JSON.parse(line) as { id?: number; method?: string; params: { sessionId: string } }
  if (id === undefined) return
  if (method === "initialize") send({ id, result: { protocolVersion: 1, agentCapabilities: {} } })
  else if (method === "session/new") send({ id, result: { sessionId: `s${(sessions += 1)}` } })
  else if (method === "session/prompt") {
    const content = { type: "text", text: `${came} ${now()}` }
    const update = { sessionUpdate: "agent_message_chunk", content }
    send({ method: "session/update", params: { sessionId: params.sessionId, update } })
    send({ id, result: { stopReason: "end_turn" } })
  } else send({ id, error: { code: -32601, message: "not here" } })
})
