// Agents made, changed and taken away by calls, with their files; tools called over HTTP: against a whole gateway.
import assert from "node:assert/strict"
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { PincerError } from "../src/base/errors.ts"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import { type House, NO_SANDBOX, startHouse } from "./house.ts"

let house: House
let client: GatewayClient
before(async () => {
  house = await startHouse({ config: NO_SANDBOX })
  const info = { id: "cli", version: "1", platform: "linux", mode: "cli" }
  client = await connectGateway({ url: house.wsUrl, token: house.token, client: info })
})
after(async () => {
  client?.close()
  await house.close()
})

interface Any {
  [key: string]: Any
}
const call = (method: string, params: Record<string, unknown> = {}) => client.request<Any>(method, params)
const refused = (code: string, text?: RegExp) => (error: unknown) =>
  error instanceof PincerError &&
  (error.details?.["code"] ?? error.code) === code &&
  (!text || text.test(error.message))

test("an agent is made, known at once, changed, shown, answers, and is taken away; its sessions stay", async () => {
  const made = await call("agents.create", { name: "Mail helper", emoji: "📬", systemPrompt: "Be short." })
  assert.equal(made["agentId"], "mail-helper")
  const listed = await call("agents.list")
  assert.match(JSON.stringify(listed["agents"]), /"mail-helper"/)
  assert.deepEqual(await call("agent.identity.get", { agentId: "mail-helper" }), {
    agentId: "mail-helper",
    name: "Mail helper",
    emoji: "📬",
  })
  await assert.rejects(call("agents.create", { name: "mail helper" }), refused("ALREADY_EXISTS"))
  await assert.rejects(call("agents.create", { name: "邮件" }), refused("INVALID_PARAMS", /pass agentId too/))
  await assert.rejects(call("agents.create", { name: "x", model: "no/such" }), refused("UNKNOWN_MODEL"))
  await call("agents.create", { name: "邮件", agentId: "mail-cn" })
  await call("agents.update", { agentId: "mail-helper", name: "Post", emoji: null })
  assert.deepEqual(await call("agent.identity.get", { agentId: "mail-helper" }), {
    agentId: "mail-helper",
    name: "Post",
  })
  const file = JSON.parse(readFileSync(join(house.home, "pincer.json"), "utf8"))
  assert.deepEqual(file.agents.entries["mail-helper"], { name: "Post", systemPrompt: "Be short." })
  await call("chat.send", { sessionKey: "agent:mail-helper:main", message: "hello", wait: true })
  const { bindings } = await call("agents.bindings")
  assert.deepEqual(Object.values(bindings!).at(-1), { pattern: "*", agentId: "main" })
  const gone = await call("agents.delete", { agentId: "mail-helper", deleteFiles: true })
  assert.deepEqual(gone["removed"], [join(house.home, "workspace-mail-helper")])
  assert.ok(!existsSync(join(house.home, "workspace-mail-helper")))
  await assert.rejects(call("agents.delete", { agentId: "mail-helper" }), refused("UNKNOWN_AGENT_ID"))
  await assert.rejects(call("agents.delete", { agentId: "main" }), refused("INVALID_PARAMS", /default agent/))
  await assert.rejects(call("agents.remove", { agentId: "codex" }), refused("INVALID_PARAMS", /nothing to delete/))
  assert.equal((await house.parts.store.sessions.list({ agentId: "mail-helper" })).total, 1)
})

test("files that describe an agent are written and read; nothing outside the workspace is, nor a link to it", async () => {
  const set = await call("agents.files.set", { name: "AGENTS.md", content: "# 规则\n" })
  assert.equal(set["file"]!["content"], "# 规则\n")
  const workspace = String(set["workspace"])
  assert.equal(readFileSync(join(workspace, "AGENTS.md"), "utf8"), "# 规则\n")
  const { files } = await call("agents.files.list")
  assert.deepEqual(
    Object.values(files!)
      .filter((one) => !one["missing"])
      .map((one) => one["name"]),
    ["AGENTS.md"],
  )
  assert.equal((await call("agents.files.get", { name: "SOUL.md" }))["file"]!["missing"], true)
  for (const name of ["../pincer.json", "notes.md", "AGENTS.md/../x"])
    await assert.rejects(call("agents.files.set", { name, content: "x" }), refused("INVALID_PARAMS"))
  mkdirSync(join(workspace, "sub"))
  writeFileSync(join(workspace, "sub", "data.bin"), Buffer.from([0, 255, 1]))
  symlinkSync(join(house.home, "pincer.json"), join(workspace, "link.json"))
  symlinkSync(join(house.home, "pincer.json"), join(workspace, "SOUL.md"))
  const root = await call("agents.workspace.list")
  assert.deepEqual(
    Object.values(root["entries"]!).map((one) => `${one["link"] ? "link" : one["kind"]} ${one["path"]}`),
    ["directory sub", "file AGENTS.md", "link SOUL.md", "link link.json"],
  )
  const inside = await call("agents.workspace.list", { path: "sub" })
  assert.deepEqual([inside["parentPath"], inside["totalEntries"]], ["", 1])
  assert.equal((await call("agents.workspace.get", { path: "sub/data.bin" }))["file"]!["encoding"], "base64")
  for (const path of ["link.json", "../pincer.json", "/etc/passwd", "sub/../../pincer.json"])
    await assert.rejects(call("agents.workspace.get", { path }), PincerError, path)
  await assert.rejects(call("agents.files.get", { name: "SOUL.md" }), refused("INVALID_PARAMS", /outside/))
  await assert.rejects(call("agents.files.set", { name: "SOUL.md", content: "x" }), refused("INVALID_PARAMS"))
})

test("POST /tools/invoke runs what policy lets pass, answers 202 for what must be asked, and 404 for what is not there", async () => {
  const invoke = async (body: unknown, token = house.token) => {
    const response = await fetch(`${house.url}/tools/invoke`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    })
    return { status: response.status, body: (await response.json()) as Any }
  }
  const workspace = join(house.home, "workspace")
  const listed = await invoke({ tool: "LS", args: { path: workspace } })
  assert.equal(listed.status, 200, JSON.stringify(listed.body))
  assert.match(JSON.stringify(listed.body["result"]), /AGENTS\.md/)
  const call1 = { tool: "Bash", args: { command: "echo made > made.txt" }, idempotencyKey: "make" }
  const waiting = await invoke(call1)
  assert.deepEqual([waiting.status, waiting.body["status"]], [202, "approval-pending"])
  const id = String(waiting.body["approvalId"])
  const authorization = { authorization: `Bearer ${house.token}` }
  const shown = await fetch(`${house.url}/approvals/${id}`, { headers: authorization })
  assert.equal(((await shown.json()) as Any)["status"], "pending")
  await call("exec.approve", { id })
  await call("agent.wait", { runId: "make" })
  assert.equal((await invoke(call1)).status, 200)
  assert.equal(readFileSync(join(workspace, "made.txt"), "utf8"), "made\n")
  assert.deepEqual((await invoke({ tool: "Nope" })).body["error"], {
    type: "not_found",
    message: "Tool not available: Nope",
  })
  assert.equal((await invoke({})).status, 400)
  assert.equal((await invoke({ tool: "LS", dryRun: true })).status, 400)
  assert.equal((await invoke({ tool: "LS", args: {} }, "wrong")).status, 401)
})
