// An editor in front of Pincer in front of an external agent: what the agent offers is what the editor shows and sets. Every frame is held
// against the schema.
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { FAKE_AGENT } from "./fakes/acp-agent-room.ts"
import { type Editor, openEditor, say } from "./fakes/acp-editor.ts"
import { type House, startHouse } from "./house.ts"

type Fields = Record<string, unknown>

async function open(t: TestContext, flags: readonly string[] = []): Promise<{ house: House; editor: Editor }> {
  const command = [process.execPath, FAKE_AGENT, ...flags]
  const house = await startHouse({ config: { agents: { entries: { fake: { acp: { command } } } } } })
  const editor = await openEditor(house)
  t.after(async () => {
    await editor.close()
    await house.close()
  })
  return { house, editor }
}

const valuesOf = (options: unknown) =>
  Object.fromEntries((options as { id: string; currentValue: unknown }[]).map((one) => [one.id, one.currentValue]))

const updateOf = (message: Fields) => ((message["params"] as Fields)?.["update"] ?? {}) as Fields

async function begin(editor: Editor, house: House): Promise<{ sessionId: string; answer: Fields }> {
  const _meta = { sessionKey: "agent:fake:x" }
  const answer = await editor.request("session/new", { cwd: house.work, mcpServers: [], _meta })
  return { sessionId: String(answer["sessionId"]), answer }
}

test("modes, options and commands of the agent come once it has spoken, and are there when the session is loaded", async (t) => {
  const { editor, house } = await open(t)
  const { answer, sessionId } = await begin(editor, house)
  assert.equal(answer["modes"], undefined)
  assert.deepEqual(Object.keys(valuesOf(answer["configOptions"])).slice(0, 2), ["permission_preset", "permission_mode"])
  await say(editor, sessionId, "commands")
  const told = await editor.until((one) => {
    const { configOptions, sessionUpdate } = updateOf(one)
    return sessionUpdate === "config_option_update" && "brave" in valuesOf(configOptions)
  })
  const values = valuesOf(updateOf(told)["configOptions"])
  assert.deepEqual([values["model"], values["mode"], values["brave"]], ["small", "ask", false])
  assert.ok("permission_preset" in values && "elevated_level" in values)
  assert.ok(!("thought_level" in values))
  await editor.until((one) =>
    ((updateOf(one)["availableCommands"] ?? []) as { name: string }[]).some(({ name }) => name === "init"),
  )
  const loaded = await editor.request("session/load", { sessionId, cwd: house.work, mcpServers: [] })
  const modes = loaded["modes"] as { currentModeId: string; availableModes: { id: string }[] }
  assert.deepEqual([modes.currentModeId, ...modes.availableModes.map(({ id }) => id)], ["ask", "ask", "code"])
})

test("what the editor sets goes to the agent; commands of the agent go to it as prompts", async (t) => {
  const { editor, house } = await open(t)
  const { sessionId } = await begin(editor, house)
  await say(editor, sessionId, "commands")
  await editor.request("session/load", { sessionId, cwd: house.work, mcpServers: [] })
  await editor.request("session/set_mode", { sessionId, modeId: "code" })
  const set = (configId: string, value: unknown) =>
    editor.request("session/set_config_option", {
      ...{ sessionId, configId, value },
      ...(typeof value === "boolean" ? { type: "boolean" } : {}),
    })
  await set("brave", true)
  const { configOptions } = await set("model", "large")
  const values = valuesOf(configOptions)
  assert.deepEqual([values["model"], values["mode"], values["brave"]], ["large", "code", true])
  await assert.rejects(set("model", "huge"), /it has small, large/)
  await assert.rejects(set("speed", "1"), /Unknown option "speed"/)
  await set("permission_preset", "full-auto")
  await say(editor, sessionId, "settings")
  assert.match(editor.text(), /large code true/)
  await say(editor, sessionId, "/init now")
  assert.match(editor.text(), /\/init now$/)
})

test("what the agent changes, also after its turn, is told the editor that started the turn", async (t) => {
  const { editor, house } = await open(t, ["--legacy"])
  const { sessionId } = await begin(editor, house)
  await say(editor, sessionId, "say one")
  await say(editor, sessionId, "say two;after mode code,title Another,say by the way")
  await editor.until((one) => {
    const { currentModeId, sessionUpdate } = updateOf(one)
    return sessionUpdate === "current_mode_update" && currentModeId === "code"
  })
  await editor.until((one) => updateOf(one)["title"] === "Another")
  await editor.until(
    (one) =>
      JSON.stringify(updateOf(one)).includes("by the way") && updateOf(one)["sessionUpdate"] === "agent_message_chunk",
  )
  const values = valuesOf(editor.of("config_option_update").at(-1)?.["configOptions"])
  assert.equal(values["agent_mode"], "code")
})
