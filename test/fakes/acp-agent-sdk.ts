// An agent made with the official library, of both versions, as an outside peer: it asks for leave, reads and writes a file, runs a command
// in a terminal of the client (version 1) and says what came of it. Run as a program: node acp-agent-sdk.ts.
import { Readable, Writable } from "node:stream"
import * as v1 from "@agentclientprotocol/sdk"
import * as v2 from "@agentclientprotocol/sdk/experimental/v2"
import { AgentProtocolRouter } from "@agentclientprotocol/sdk/experimental/v2"

const OPTIONS = [
  { optionId: "a", name: "Allow", kind: "allow_once" as const },
  { optionId: "r", name: "Reject", kind: "reject_once" as const },
]

const one = v1
  .agent({ name: "sdk-agent" })
  .onRequest(v1.methods.agent.initialize, () => ({
    protocolVersion: 1,
    agentInfo: { name: "sdk-agent", version: "1" },
    agentCapabilities: { loadSession: false },
  }))
  .onRequest(v1.methods.agent.session.new, () => ({ sessionId: crypto.randomUUID() }))
  .onRequest(v1.methods.agent.session.prompt, async ({ client, params }) => {
    const { sessionId } = params
    const say = (text: string) =>
      client.notify(v1.methods.client.session.update, {
        sessionId,
        update: { sessionUpdate: "agent_message_chunk", content: { type: "text", text } },
      })
    await say("Hello. ")
    const toolCall = { toolCallId: "c1", title: "Edit x", kind: "edit" as const, status: "pending" as const }
    await client.notify(v1.methods.client.session.update, {
      sessionId,
      update: { sessionUpdate: "tool_call", ...toolCall },
    })
    const { outcome }: v1.RequestPermissionResponse = await client.request(
      v1.methods.client.session.requestPermission,
      {
        ...{ sessionId, toolCall, options: OPTIONS },
      },
    )
    const { content } = await client.request(v1.methods.client.fs.readTextFile, { sessionId, path: "/x" })
    await client.request(v1.methods.client.fs.writeTextFile, { sessionId, path: "/x", content: `${content}!` })
    await client.notify(v1.methods.client.session.update, {
      ...{ sessionId, update: { sessionUpdate: "tool_call_update", toolCallId: "c1", status: "completed" } },
    })
    await say(outcome.outcome === "selected" ? `chose ${outcome.optionId}` : outcome.outcome)
    return { stopReason: "end_turn" }
  })

const two = v2
  .agent({ name: "sdk-agent" })
  .onRequest(v2.methods.agent.initialize, () => ({
    protocolVersion: 2,
    info: { name: "sdk-agent", version: "2" },
    capabilities: { session: {} },
  }))
  .onRequest(v2.methods.agent.session.new, () => ({ sessionId: crypto.randomUUID() }))
  .onRequest(v2.methods.agent.session.prompt, ({ client, params }) => {
    const { sessionId } = params
    const update = (body: v2.SessionUpdate) =>
      client.notify(v2.methods.client.session.update, { sessionId, update: body })
    const work = async () => {
      await update({ sessionUpdate: "state_update", state: "running" })
      const toolCall = { toolCallId: "c1", title: "Edit x", kind: "edit" as const }
      const { outcome } = await client.request(v2.methods.client.session.requestPermission, {
        ...{ sessionId, title: "Edit x?", subject: { type: "tool_call" as const, toolCall }, options: OPTIONS },
      })
      const text = outcome.outcome === "selected" ? `chose ${String(outcome["optionId"])}` : outcome.outcome
      await update({ sessionUpdate: "agent_message_chunk", messageId: "m", content: { type: "text", text } })
      await update({ sessionUpdate: "state_update", state: "idle", stopReason: "end_turn" })
    }
    setImmediate(() => void work())
    return { messageId: "u" }
  })

const output = Writable.toWeb(process.stdout) as WritableStream<Uint8Array>
const input = Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>
new AgentProtocolRouter().withV1(one).withV2(two).connect(v1.ndJsonStream(output, input))
