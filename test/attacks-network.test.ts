// Attacks through the network, through a whole house: A21 (addresses that are not the web), A22 (fake addresses of proxies), A23 (a
// gateway named by a tool call). The spellings that a name server could answer with are tried at the doors themselves.
import assert from "node:assert/strict"
import { connect } from "node:net"
import { type TestContext, test } from "node:test"
import { openEgress } from "../src/sandbox/egress.ts"
import { webRequest } from "../src/tools/web.ts"
import { attackHouse, bash, tool } from "./fakes/attack-house.ts"
import { giveAway, sandboxSkip } from "./fakes/sandbox-room.ts"
import { webServer } from "./fakes/web-server.ts"

const skip = await sandboxSkip()
const YES = { permissions: { mode: "approve-all" } }

/** Every way to write an address of this machine or of a cloud's secrets that is known to have fooled somebody. */
const LOCAL = [
  ...[
    "127.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "0.0.0.0",
    "0",
    "127.1",
    "127.0.1",
  ],
  ...[
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "00000177.1",
    "127.255.255.254",
  ],
  ...[
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
  ],
  ...[
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "127\u30020\u30020\u30021",
    "127\uff0e0\uff0e0\uff0e1",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "%31%32%37.0.0.1",
    "\uff4c\uff4fcalhost",
  ],
]
const SECRETS = [
  "169.254.169.254",
  "2852039166",
  "0xa9fea9fe",
  "0251.0376.0251.0376",
  "[::ffff:169.254.169.254]",
  "[fd00:ec2::254]",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
]

test("A21: WebFetch reaches nothing that is not the web, in any spelling, even when everything is approved", async (t) => {
  const room = await attackHouse(t)
  const { asked, port } = await webServer(t, (_request, response) => response.end("reached"))
  const urls = [
    ...LOCAL.map((host) => `http://${host}:${port}/`),
    ...SECRETS.map((host) => `http://${host}/latest/meta-data/`),
  ]
  for (let at = 0; at < urls.length; at += 10)
    await room.turn([urls.slice(at, at + 10).map((url) => tool("WebFetch", { url }))], {
      ...YES,
      sessionKey: `fetch-${at}`,
    })
  const told = room.fake.requests.flatMap(({ body }) =>
    (body["messages"] as { role: string; content: string }[]).filter((one) => one.role === "tool"),
  )
  assert.equal(told.length, urls.length)
  for (const [i, { content }] of told.entries())
    assert.match(content, /private or local|not a URL|could not be looked up/, urls[i])
  assert.deepEqual(asked, [])
})

test("A21: a redirect from the web to this machine is not followed", async (t) => {
  const inner = await webServer(t, (_request, response) => response.end("reached"))
  const outer = await webServer(t, (request, response) =>
    response
      .writeHead(302, { location: `http://${decodeURIComponent((request.url ?? "").slice(1))}:${inner.port}/` })
      .end(),
  )
  const room = await attackHouse(t, { config: { tools: { fetch: { allowHosts: [outer.host] } } } })
  const hosts = ["127.0.0.1", "localhost", "[::1]", "2130706433", "0177.0.0.1", "[::ffff:7f00:1]", "169.254.169.254"]
  await room.turn([hosts.map((host) => tool("WebFetch", { url: `${outer.url}/${encodeURIComponent(host)}` }))], YES)
  const results = room.results()
  assert.equal(results.length, hosts.length)
  for (const result of results) assert.match(result, /private or local/)
  assert.deepEqual([outer.asked.length, inner.asked.length], [hosts.length, 0])
})

/** A name server that means something else every time it is asked, beginning with the web. */
function rebinding(...addresses: string[][]) {
  let times = 0
  return async () => addresses[Math.min(times++, addresses.length - 1)]!
}

async function throughProxy(
  t: TestContext,
  answers: string[][],
  times: number,
): Promise<{ dialled: string[]; said: string[] }> {
  const dialled: string[] = []
  const egress = await openEgress({
    profile: { name: "net", network: [{ host: "*" }], loopbackPorts: [] },
    gate: { sessionKey: "s", saw: () => undefined },
    lookup: rebinding(...answers),
    connect: (address) => {
      dialled.push(address)
      return connect({ host: "127.0.0.1", port: 1 })
    },
  })
  t.after(() => egress.close())
  const said: string[] = []
  for (let i = 0; i < times; i++) {
    const socket = connect({ path: egress.socketPath })
    socket.write("GET http://rebind.example/ HTTP/1.1\r\nHost: rebind.example\r\n\r\n")
    let text = ""
    for await (const chunk of socket) text += String(chunk)
    said.push(text.split("\r\n")[0]!)
  }
  return { dialled, said }
}

test("A21: a name that turns into a private address is refused by both ways out, and never looked up between check and connection", async (t) => {
  const bad = ["127.0.0.1", "::1", "::ffff:10.0.0.1", "169.254.169.254", "64:ff9b::a00:1", "0.0.0.0"]
  for (const address of bad) {
    const fetchIt = (lookup: () => Promise<string[]>) =>
      webRequest({
        url: "http://rebind.example/",
        timeoutMs: 5_000,
        maxBytes: 99,
        allowHosts: [],
        signal: new AbortController().signal,
        lookup,
      })
    await assert.rejects(fetchIt(rebinding([address])), /private or local/)
    await assert.rejects(fetchIt(rebinding(["93.184.216.34", address])), /private or local/)
    const { dialled, said } = await throughProxy(t, [["93.184.216.34"], [address], ["93.184.216.34", address]], 3)
    assert.deepEqual(dialled, ["93.184.216.34"], address)
    assert.deepEqual(said.slice(1), ["HTTP/1.1 403 Forbidden", "HTTP/1.1 403 Forbidden"], address)
  }
})

test("A21: a command with a network profile cannot reach this machine either", { skip }, async (t) => {
  const { asked, port } = await webServer(t, (_request, response) => response.end("reached"))
  const config = {
    sandbox: { profile: "net", profiles: { net: { network: ["*", `*:${port}`] } } },
  }
  const room = await attackHouse(t, { config })
  giveAway(room.house.work)
  const lines = LOCAL.slice(0, 24).map(
    (host) => `curl -gsS -m 5 'http://${host}:${port}/'; curl -gsS -m 5 -p 'http://${host}:${port}/'`,
  )
  await room.turn([[bash(`${lines.join("; ")}; echo end`)]])
  assert.match(room.results()[0]!, /end/)
  assert.doesNotMatch(room.results()[0]!, /^reached/m)
  assert.deepEqual(asked, [])
  const refused = (await room.audit()).filter(({ type }) => type === "egress")
  assert.ok(refused.length > 0)
  assert.ok(
    refused.every(({ verdict }) => verdict === "deny"),
    JSON.stringify(refused[0]),
  )
})

test("A22: addresses that proxies make up are refused unless a person opened the name", async () => {
  const signal = new AbortController().signal
  for (const address of ["198.18.0.1", "198.19.255.254", "::ffff:198.18.0.5"]) {
    const ask = (allowHosts: string[]) =>
      webRequest({
        url: "http://fake-ip.example:1/",
        timeoutMs: 300,
        maxBytes: 99,
        allowHosts,
        signal,
        lookup: async () => [address],
      })
    await assert.rejects(ask([]), /private or local/)
    // Opened, it is tried: what may fail then is the connection.
    await ask(["fake-ip.example"]).catch((error: Error) => assert.doesNotMatch(error.message, /private or local/))
  }
})

test("A23: no tool takes a gateway's address, and one that is slipped in is refused before anything runs", async (t) => {
  const evil = await webServer(t, (_request, response) => response.end("{}"))
  const room = await attackHouse(t)
  const { tools } = await room.client.request<{ tools: { name: string; schema: { properties?: object } }[] }>(
    "tools.list",
    {},
  )
  for (const { name, schema } of tools) {
    const names = Object.keys(schema.properties ?? {}).filter((key) =>
      /gateway|server|endpoint|base_?url|token|host/i.test(key),
    )
    assert.deepEqual(names, [], name)
  }
  const extra = { gatewayUrl: evil.url, gateway: evil.url, token: "x", server: evil.url }
  await room.turn(
    [
      [
        tool("Bash", { command: "echo ran", ...extra }),
        tool("Read", { path: "a", ...extra }),
        tool("WebFetch", { url: room.house.url, ...extra }),
      ],
    ],
    YES,
  )
  for (const result of room.results()) assert.match(result, /^Invalid arguments/)
  await room.turn([[tool("WebFetch", { url: room.house.url }), tool("WebFetch", { url: room.house.wsUrl })]], YES)
  for (const result of room.results()) assert.match(result, /private or local|only https and http/)
  assert.deepEqual(evil.asked, [])
})
