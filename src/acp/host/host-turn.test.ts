import assert from "node:assert/strict"
import { join } from "node:path"
import { test } from "node:test"
import { hostRoom, message } from "../../../test/fakes/acp-agent-room.ts"
import type { HostedEvent } from "../../agent/harness.ts"

for (const protocol of [1, 2] as const) {
  const flags = [`--protocol=${protocol}`, "--rich"]
  const agent = { protocol }

  test(`v${protocol}: an agent's words, thoughts and calls are heard in order, and the turn ends once`, async () => {
    await using room = hostRoom()
    const { end, heard } = await room.run("think hmm;say hello;tool a;say done;used", { flags, agent })
    assert.equal(end.stop, "end_turn")
    assert.equal(end.model, "small")
    assert.deepEqual(end.usage, {
      ...{ inputTokens: 130, outputTokens: 20, cacheReadTokens: 30, cacheWriteTokens: 0, reasoningTokens: 0 },
      costUsd: null,
    })
    assert.equal(heard.text(), "hellodone")
    const kinds = heard.events.filter((one) => one.type !== "facts").map((one) => one.type)
    assert.deepEqual(kinds, ["text", "text", "tool", "tool", "text"])
    const [begun, ended] = heard.events.filter((one) => one.type === "tool")
    assert.equal(begun!.view.kind, "read")
    assert.deepEqual(begun!.view.locations, [{ path: "/x/a", line: 3 }])
    assert.equal(ended!.name, "Read")
    assert.equal(ended!.view.status, "completed")
    assert.deepEqual(
      ended!.view.content?.map((one) => one.type === "diff" && [one.oldText?.trim(), one.newText.trim()]),
      [["a", "b"]],
    )
  })

  test(`v${protocol}: plans, commands, titles, usage, notices and what nobody knows all come through`, async () => {
    await using room = hostRoom()
    const script = "plan;planfile;unplan;commands;title T;usage;notice Careful;unknown;compaction;image"
    const { heard } = await room.run(script, { flags, agent })
    const rest = heard.events.filter((one) => one.type !== "text")
    const found = (test: (event: HostedEvent) => boolean) => assert.ok(rest.some(test), JSON.stringify(rest))
    found((one) => one.type === "plan" && one.planId === "main" && one.plan?.entries.length === 2)
    found((one) => one.type === "plan" && one.plan?.markdown === "# Plan")
    found((one) => one.type === "plan" && one.planId === "p2" && one.plan === null)
    found((one) => one.type === "facts" && one.facts.commands?.[0]?.name === "init")
    found((one) => one.type === "facts" && one.facts.title === "T")
    found((one) => one.type === "context" && one.usedTokens === 1200 && one.costUsd === 0.5)
    found((one) => one.type === "notice" && one.text === "Careful")
    found((one) => one.type === "other" && one.update["sky"] === "grey")
    found((one) => one.type === "other" && one.update["sessionUpdate"] === "compaction_update")
    found((one) => one.type === "part" && one.part.type === "image")
  })

  test(`v${protocol}: the model, the mode and options are set before the prompt, and only where they differ`, async () => {
    await using room = hostRoom()
    const settings = { "acp.mode": "code", "acp.option.brave": "true", other: "x" }
    const { heard } = await room.run("settings", {
      ...{ flags, agent, row: { settings } },
      request: { model: "fake/large" },
    })
    assert.equal(heard.text(), "large code true")
    const again = await room.run("settings", { flags, agent, row: { settings }, request: { model: "large" } })
    assert.equal(again.heard.text(), "large code true")
    assert.equal(room.sent("session/set_config_option").length, 3)
  })

  test(`v${protocol}: an unknown model is refused with those that there are, and nothing is asked`, async () => {
    await using room = hostRoom()
    const { end } = await room.run("say no", { flags, agent, request: { model: "huge" } })
    assert.equal(end.stop, "error")
    assert.equal(end.error?.code, "INVALID_PARAMS")
    assert.match(end.error?.message ?? "", /"huge".*small, large/)
    assert.equal(room.sent("session/prompt").length, 0)
  })

  test(`v${protocol}: leave is asked of the turn, and answered with an option that was offered`, async () => {
    await using room = hostRoom()
    const asked: string[] = []
    const leave = async (call: { callId: string; offersAlways: boolean; view: { rawInput?: unknown } }) => {
      asked.push(`${call.callId} ${call.offersAlways} ${JSON.stringify(call.view.rawInput)}`)
      return call.callId === "b"
        ? ({ type: "denied", reason: "no", always: false } as const)
        : ({ type: "allowed", always: false } as const)
    }
    const { heard } = await room.run("toolask a;toolask b;toolask c allow_always", { flags, agent, turn: { leave } })
    // Only "always" was offered for c: that is more than was allowed.
    assert.equal(heard.text(), "[yes][no][cancelled]")
    assert.equal(asked[0], 'a true {"command":"do a"}')
  })

  test(`v${protocol}: questions go to the user; what is neither form nor page is refused`, async () => {
    await using room = hostRoom()
    const ask = async (question: { type: string }) =>
      question.type === "form"
        ? ({ type: "accepted", content: { name: "Ann" } } as const)
        : ({ type: "declined" } as const)
    const { heard } = await room.run("ask;askpage;askodd", { flags, agent, turn: { ask } })
    assert.match(heard.text(), /"action":"accept","content":\{"name":"Ann"\}/)
    assert.match(heard.text(), /"action":"decline"/)
    assert.match(heard.text(), /refused -32602/)
  })

  test(`v${protocol}: a turn that is stopped is told to the agent, which has its last words`, async () => {
    await using room = hostRoom()
    const heard = room.start("say a;hang;say never", { flags, agent })
    await heard.until((one) => one.type === "text")
    heard.abort()
    assert.deepEqual(await heard.end, { stop: "aborted", model: "small" })
    assert.equal(room.sent("session/cancel").length, 1)
    assert.equal(room.host.warm().length, 1, "the process is kept")
    const { heard: next } = await room.run("say again", { flags, agent })
    assert.equal(next.text(), "again")
  })

  test(`v${protocol}: a process that dies is one clear error, and the next turn has another one`, async () => {
    await using room = hostRoom()
    const { end } = await room.run("say a;die 7", { flags, agent })
    assert.equal(end.stop, "error")
    assert.match(end.error?.message ?? "", /acp-agent\S*\.mjs.*exit code 7.*fatal: out of cheese/)
    const { heard } = await room.run("say back", { flags, agent, earlier: [message("user", "old words", "t0")] })
    assert.equal(heard.text(), "back")
    assert.ok(heard.notices().includes("session_new"))
  })

  test(`v${protocol}: model calls beyond the limit end the turn`, async () => {
    await using room = hostRoom()
    const { end, heard } = await room.run("rounds 5;hang", { flags, agent, request: { limits: { maxModelCalls: 2 } } })
    assert.equal(end.stop, "max_model_calls")
    assert.equal(heard.text(), "round 0 ")
  })
}

test("v2: an agent that speaks version 1 only is talked to in version 1", async () => {
  await using room = hostRoom()
  const { end, heard } = await room.run("read /x", { agent: { protocol: 2 } })
  assert.equal(end.stop, "end_turn")
  assert.match(heard.text(), /text of \/x/)
})

test("v2: whole messages after their pieces, and an agent's own terminals", async () => {
  await using room = hostRoom()
  const options = { flags: ["--protocol=2"], agent: { protocol: 2 as const } }
  const { heard } = await room.run("say hel;whole hello;v2term", options)
  assert.equal(heard.text(), "hello")
  const last = heard.events.filter((one) => one.type === "tool" && one.view.content).at(-1)
  assert.ok(last?.type === "tool")
  assert.deepEqual(last.view.content, [
    {
      type: "terminal",
      terminalId: "own",
      owner: "agent",
      command: "make",
      output: "héllo",
      exitCode: 0,
      signal: null,
    },
  ])
})

test("v1: older modes and models are set in their older ways", async () => {
  await using room = hostRoom()
  const options = { flags: ["--legacy"], row: { settings: { "acp.mode": "code" } }, request: { model: "large" } }
  const { end, heard } = await room.run("settings;mode ask", options)
  assert.equal(heard.text(), "large code false")
  assert.equal(end.model, "large")
  assert.ok(heard.events.some((one) => one.type === "facts" && one.facts.mode === "ask"))
})

test("an agent that lets nobody choose its model says so", async () => {
  await using room = hostRoom()
  const { end } = await room.run("say x", { flags: ["--bare"], request: { model: "large" } })
  assert.match(end.error?.message ?? "", /lets nobody choose its model/)
})

test("what an agent shows of its own terminals by _meta becomes a terminal with its output", async () => {
  await using room = hostRoom()
  const { heard } = await room.run("ownterm")
  const last = heard.events.filter((one) => one.type === "tool").at(-1)
  assert.deepEqual(last?.view.content, [
    {
      ...{ type: "terminal", terminalId: "own", owner: "agent", cwd: "/x" },
      ...{ output: "one\ntwo\n", exitCode: 0, signal: null },
    },
  ])
})

test("files and terminals are the turn's; a refusal is an answer", async () => {
  await using room = hostRoom()
  const written: string[] = []
  const released: string[] = []
  const { heard } = await room.run("read /a;write /b some text;term ls keep;noterm", {
    turn: {
      writeText: async (path, text) => void written.push(`${path}=${text}`),
      openTerminal: async ({ args, command, env }) => ({
        id: "term-1",
        output: () => ({
          ...{ output: `${command} ${args.join(" ")} ${env["A"]}`, truncated: true },
          exit: { exitCode: -1, signal: null },
        }),
        exited: async () => ({ exitCode: 0, signal: null }),
        kill: async () => undefined,
        release: async () => void released.push("term-1"),
      }),
    },
  })
  assert.match(heard.text(), /text of \/a/)
  assert.deepEqual(written, ["/b=some text"])
  assert.match(heard.text(), /ls keep 1","truncated":true,"exitStatus":\{"exitCode":4294967295/)
  assert.match(heard.text(), /terminal\/output refused -32002/)
  assert.deepEqual(released, ["term-1"], "what the agent did not release is released with the turn")
})

test("a method that nobody knows is refused, and so is everything for a session without a turn", async () => {
  await using room = hostRoom()
  const { heard } = await room.run("method _fake/more;other nobody")
  assert.match(heard.text(), /_fake\/more refused -32601/)
  assert.match(heard.text(), /-32602/)
})

test("parts that the agent cannot take become words, and the person is told once", async () => {
  await using room = hostRoom()
  const input = [
    { type: "image", mimeType: "image/png", data: "aGk=" },
    { type: "link", uri: "file:///a", name: "a" },
    { type: "text", text: "blocks" },
  ] as const
  const options = { request: { input: [...input] }, turn: { messages: [] } }
  const plain = await room.run("", options)
  assert.match(plain.heard.text(), /which you cannot be given.*resource_link/)
  assert.deepEqual(plain.heard.notices(), ["prompt_reduced"])
  const rich = await room.run("", { ...options, flags: ["--rich"] })
  assert.match(rich.heard.text(), /"type":"image"/)
  assert.deepEqual(rich.heard.notices(), [])
})

test("what is said after the end goes aside", async () => {
  await using room = hostRoom()
  await room.run("late;say x")
  await room.toldAside
  assert.deepEqual(room.aside, [{ key: "agent:fake:one", event: { type: "facts", facts: { title: "Late" } } }])
})

test("where nobody takes what is said aside, the next turn hears the facts of it", async () => {
  await using room = hostRoom({ aside: undefined })
  await room.run("late;say x")
  while (!room.frames.some((one) => one.includes('"Late"'))) await new Promise((resolve) => setTimeout(resolve, 5))
  const { heard } = await room.run("say y")
  assert.deepEqual(heard.events[0], { type: "facts", facts: { title: "Late" } })
})

test("what comes before the answer of session/new is heard, what is for somebody else is not", async () => {
  await using room = hostRoom()
  const { heard } = await room.run("say x", { flags: ["--early"] })
  assert.ok(heard.events.some((one) => one.type === "facts" && one.facts.commands?.[0]?.name === "early"))
  assert.equal(heard.text(), "x")
})

test("a session below the agent's own is told of, and its words are nobody's answer", async () => {
  await using room = hostRoom()
  const { heard } = await room.run("child;say x")
  assert.equal(heard.text(), "x")
  assert.ok(heard.events.some((one) => one.type === "other" && String(one.update["sessionId"]).endsWith("-child")))
})

test("refusals and other ends come as what they are", async () => {
  await using room = hostRoom()
  for (const [said, stop] of [
    ["refusal", "refusal"],
    ["max_tokens", "max_output_tokens"],
    ["max_turn_requests", "max_model_calls"],
    ["cancelled", "aborted"],
    ["_new_reason", "end_turn"],
  ])
    assert.equal((await room.run(`stop ${said}`)).end.stop, stop)
  const { end } = await room.run("error -32603 the disk is full")
  assert.match(end.error?.message ?? "", /the disk is full/)
})

test("instructions, earlier words and commands of the agent's own stand where they belong", async () => {
  await using room = hostRoom()
  const earlier = [message("user", "first words", "t0"), message("assistant", "an answer", "t0")]
  const profile = { systemPrompt: "Be brief." }
  const { heard } = await room.run("blocks", { earlier, profile, request: { systemPrompt: "In French." } })
  assert.match(heard.text(), /Be brief.*User: first words.*Assistant: an answer.*In French.*blocks/s)
  const slash = await room.run("/init now", { session: "two", earlier })
  assert.equal((room.sent("session/prompt").at(-1)!["prompt"] as unknown[]).length, 1)
  assert.equal(slash.end.stop, "end_turn")
  const later = await room.run("blocks", { session: "two", earlier })
  assert.match(later.heard.text(), /first words/, "what it missed is told when that does not spoil a command")
})

test("only servers that the agent can reach are handed over", async () => {
  await using room = hostRoom()
  const mcpServers = [
    { type: "stdio", name: "s", command: "/bin/x", args: ["a"], env: { K: "v" } },
    { type: "http", name: "h", url: "https://example.com", headers: { A: "b" } },
  ] as const
  const agent = { mcpServers: mcpServers.map((one) => ({ ...one }) as never) }
  const { heard } = await room.run("say x", { agent })
  assert.deepEqual(heard.notices(), ["mcp_server_left_out"])
  await room.run("say x", { agent, flags: ["--http"] })
  const [first, second] = room.sent("session/new").map((one) => one["mcpServers"])
  assert.deepEqual(first, [{ name: "s", command: "/bin/x", args: ["a"], env: [{ name: "K", value: "v" }] }])
  assert.equal((second as unknown[]).length, 2)
})

test("a session that the process has forgotten is begun anew within the turn", async () => {
  await using room = hostRoom()
  await room.run("forget")
  const { end, heard } = await room.run("say still here", { earlier: [message("user", "x", "turn-1")] })
  assert.equal(end.stop, "end_turn")
  assert.match(heard.text(), /still here/)
  assert.ok(heard.notices().includes("session_new"))
})

for (const how of ["--load", "--resume"])
  test(`after the process is gone the session goes on with ${how}, and its replay is not heard`, async () => {
    await using room = hostRoom()
    const flags = [how, `--state=${join(room.folder, "kept")}`]
    await room.run("say one", { flags })
    await room.run("die", { flags })
    const { heard } = await room.run("history", { flags, earlier: [message("user", "say one", "turn-1")] })
    assert.equal(heard.text(), '["say one"]')
    assert.deepEqual(heard.notices(), [])
    assert.ok(!heard.events.some((one) => one.type === "tool"))
  })

test("a load that is answered with null, one that fails, and one that nobody offers", async () => {
  await using room = hostRoom()
  const state = `--state=${join(room.folder, "kept")}`
  const earlier = [message("user", "say one", "turn-1")]
  await room.run("say one", { flags: ["--load", state] })
  await room.run("die", { flags: ["--load", state] })
  const nulled = await room.run("history", { flags: ["--load", state], earlier })
  assert.equal(nulled.heard.text(), '["say one"]')
  for (const flags of [["--load", "--load-fails", state], [state]]) {
    const session = flags.join()
    await room.run("say one", { flags, session })
    await room.run("die", { flags, session })
    const { heard } = await room.run("say on", { flags, session, earlier })
    assert.ok(heard.notices().includes("session_new"), session)
  }
})
