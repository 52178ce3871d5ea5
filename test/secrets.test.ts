// Fifty secrets are planted wherever a gateway can come across one, and everything that leaves it is looked through: frames of every
// dialect, HTTP answers, logs, errors, transcripts, exports, the audit, views of the configuration. None may be found, in any form.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { systemClock } from "../src/base/clock.ts"
import { silentLogger } from "../src/base/log.ts"
import { openStore } from "../src/store/open.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { clawConnect, makeDevice, openRaw, type Raw, signed } from "./frames.ts"
import { type House, startHouse } from "./house.ts"
import { PROGRAM } from "./program.ts"

/** Letters and digits as keys have them: at least one of each kind. */
function random(length: number): string {
  return `a1B${randomBytes(length * 2)
    .toString("base64url")
    .replace(/[-_]/g, "")}`.slice(0, length)
}

/** Every planted secret by where it was planted. The value is the part that must not be seen. */
function plant() {
  const b64 = (text: string) => Buffer.from(text).toString("base64").replace(/=+$/, "")
  const pem = Array.from({ length: 3 }, () => random(64))
  const config = {
    providerKey: random(40),
    providerHeader: random(32),
    otherKeyInFile: random(40),
    keyInOddVariable: random(24),
    searchKey: random(30),
    childToken: random(28),
    childPassword: `pw-${random(9)}`,
    gatewayToken: random(43),
    urlPassword: random(12),
  }
  const env = {
    OPENAI_API_KEY: `sk-proj-${random(48)}`,
    ANTHROPIC_API_KEY: `sk-ant-api03-${random(48)}`,
    GITHUB_TOKEN: `ghp_${random(36)}`,
    AWS_SECRET_ACCESS_KEY: random(40),
    SLACK_BOT_TOKEN: `xoxb-123456789012-${random(24)}`,
    NPM_TOKEN: `npm_${random(36)}`,
    MY_SERVICE_PASSWORD: `${random(8)} & <more>/"${random(4)}`,
    SESSION_SECRET: random(32),
    CLIENT_SECRET: random(20),
    VAULT_PASSPHRASE: `words ${random(6)} ${random(6)}`,
  }
  const file = {
    dotenvPassword: random(12),
    dotenvToken: random(20),
    dotenvQuoted: `${random(6)} ${random(6)}`,
    stripe: `sk_live_${random(24)}`,
    google: `AIza${random(35)}`,
    gitlab: `glpat-${random(20)}`,
    aws: `AKIA${randomBytes(8).toString("hex").toUpperCase()}`,
    awsSecret: random(40),
    jwt: `eyJ${random(30)}.eyJ${random(40)}.${random(40)}`,
    basic: b64(`deploy:${random(14)}`),
    jsonKey: random(32),
    databasePassword: random(14),
    pemFirst: pem[0]!,
    pemLast: pem[2]!,
  }
  const user = {
    typedKey: `sk-proj-${random(40)}`,
    typedPassword: `${random(10)}`,
    typedHub: `github_pat_${random(22)}_${random(40)}`,
    typedFace: `hf_${random(34)}`,
    typedQuery: random(24),
    jobPrompt: `gsk_${random(40)}`,
  }
  const model = {
    echoAnthropic: `sk-ant-api03-${random(60)}`,
    echoSlack: `xoxp-${random(40)}`,
    thought: `glpat-${random(20)}`,
    argument: `ghp_${random(36)}`,
    argumentByName: random(9),
    serviceError: `sk-${random(40)}`,
  }
  const asked = {
    sessionName: `ghs_${random(36)}`,
    modelName: `sk-proj-${random(30)}`,
    path: `npm_${random(36)}`,
    bearer: random(40),
    unknownMethod: `hf_${random(30)}`,
  }
  return { config, env, file, user, model, asked, pem }
}

type Planted = ReturnType<typeof plant>

function all(planted: Planted): [string, string][] {
  const { pem: _, ...groups } = planted
  return Object.entries(groups).flatMap(([group, secrets]) =>
    Object.entries(secrets).map(([name, value]): [string, string] => [`${group}.${name}`, value]),
  )
}

/** How a secret would look if it slipped out: as it is, in JSON, in a URL, in base64, without its public prefix. */
function forms(secret: string): string[] {
  const bare = secret.replace(
    /^(?:sk-proj-|sk-ant-api03-|sk-|sk_live_|gh[a-z]_|github_pat_|glpat-|xox[a-z]-|npm_|hf_|gsk_|AKIA|AIza|eyJ)/,
    "",
  )
  return [
    secret,
    bare.slice(0, 20),
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    Buffer.from(secret).toString("base64").slice(0, -4),
  ]
}

class Seen {
  readonly #texts: [string, string][] = []

  add(where: string, text: unknown): void {
    this.#texts.push([where, typeof text === "string" ? text : JSON.stringify(text)])
  }

  includes(words: string): boolean {
    return this.#texts.some(([, text]) => text.includes(words))
  }

  assertNone(planted: Planted): void {
    const found: string[] = []
    for (const [name, secret] of all(planted))
      for (const [where, text] of this.#texts) {
        const form = forms(secret).find((one) => text.includes(one))
        if (form === undefined) continue
        const at = text.indexOf(form)
        found.push(`${name} in ${where}: …${text.slice(Math.max(0, at - 80), at + form.length + 20)}…`)
      }
    assert.deepEqual(found, [])
  }
}

async function open(t: TestContext, planted: Planted): Promise<{ house: House; fake: FakeModel }> {
  const fake = await startFakeModel()
  t.after(() => fake.close())
  const { config, env } = planted
  const folder = mkdtempSync(join(tmpdir(), "pincer-keys-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const keyFile = join(folder, "other.key")
  writeFileSync(keyFile, `${config.otherKeyInFile}\n`, { mode: 0o600 })
  const provider = {
    wire: "openai-chat",
    baseUrl: `${fake.url}/v1`,
    apiKey: config.providerKey,
    headers: { "x-team-key": config.providerHeader },
    models: ["test-model"],
  }
  const house = await startHouse({
    fake: fake.url,
    env: {
      ...env,
      PINCER_GATEWAY_TOKEN: config.gatewayToken,
      ODD_NAME: config.keyInOddVariable,
      SSH_AUTH_SOCK: "/tmp/a/b",
    },
    config: {
      agents: { defaults: { model: "fake/test-model", fallbacks: [] } },
      providers: {
        fake: provider,
        odd: { ...provider, apiKey: { env: "ODD_NAME" } },
        filed: { ...provider, apiKey: { file: keyFile } },
        proxied: { ...provider, baseUrl: `http://me:${config.urlPassword}@127.0.0.1:9/v1`, apiKey: "ollama" },
      },
      tools: {
        exec: { env: { DEPLOY_TOKEN: config.childToken, DB_PASSWORD: config.childPassword } },
        search: { service: "brave", apiKey: config.searchKey },
      },
    },
  })
  t.after(() => house.close())
  writeFiles(house.work, planted)
  return { house, fake }
}

function writeFiles(work: string, { config, env, file, pem }: Planted): void {
  writeFileSync(
    join(work, ".env"),
    [
      "# settings of the harbour",
      `DB_PASSWORD=${file.dotenvPassword}`,
      `export DEPLOY_TOKEN='${file.dotenvToken}'`,
      `PASSPHRASE="${file.dotenvQuoted}"`,
      `STRIPE=${file.stripe}`,
      `MAPS=${file.google}`,
      `CI=${file.gitlab}`,
      `AWS_ACCESS_KEY_ID=${file.aws}`,
      `aws_secret_access_key = ${file.awsSecret}`,
      `JWT ${file.jwt}`,
      `Authorization: Basic ${file.basic}`,
      `{"service": {"apiKey": "${file.jsonKey}"}}`,
      `DATABASE_URL=postgres://app:${file.databasePassword}@db.internal/app`,
      "PORT=8080 keeps its number",
      "",
    ].join("\n"),
  )
  writeFileSync(
    join(work, "key.pem"),
    `-----BEGIN RSA PRIVATE KEY-----\n${pem.join("\n")}\n-----END RSA PRIVATE KEY-----\n`,
  )
  const known = { ...config, ...env }
  writeFileSync(
    join(work, "dump.txt"),
    Object.entries(known)
      .map(
        ([name, value]) =>
          `the ${name} is ${value} and ${Buffer.from(value).toString("base64")} and ${encodeURIComponent(value)}`,
      )
      .join("\n"),
  )
}

async function connect(house: House, planted: Planted, protocol: 3 | 4): Promise<Raw> {
  const raw = await openRaw(house.wsUrl)
  await raw.challenge()
  const hello = await raw.ask(
    "connect",
    clawConnect(protocol, planted.config.gatewayToken, { caps: ["tool-events", "thinking"] }),
  )
  assert.equal(hello.ok, true, JSON.stringify(hello.error))
  return raw
}

/** Runs a turn by the control plane and waits for its last event. */
async function turn(raw: Raw, message: string, cwd: string, name: string): Promise<void> {
  const sent = await raw.ask("chat.send", { sessionKey: "agent:main:secrets", message, cwd, idempotencyKey: name })
  assert.equal(sent.ok, true, JSON.stringify(sent.error))
  await raw.until(
    ({ event, payload }) =>
      event === "chat" && String(payload?.["runId"]) === name && /final|error|aborted/.test(String(payload?.["state"])),
  )
}

const FILES = [".env", "key.pem", "dump.txt"]

test("no planted secret is in anything that leaves the gateway", async (t) => {
  const planted = plant()
  assert.ok(all(planted).length >= 50, `${all(planted).length} secrets`)
  const { config, user, model, asked } = planted
  const { house, fake } = await open(t, planted)
  const seen = new Seen()
  const raw = await connect(house, planted, 4)
  const old = await connect(house, planted, 3)

  // The user types some; the model reads files that are full of them, names them in arguments, thinks and says them in tiny pieces.
  fake.script(
    { calls: FILES.map((name) => ({ name: "Read", args: { path: name } })) },
    {
      thinking: `The key ${model.thought} opens it.`,
      text: "Let me look further.",
      calls: [
        { name: "Read", args: { path: `missing-${model.argument}.txt` } },
        { name: "Grep", args: { pattern: model.argument, password: model.argumentByName } },
      ],
    },
    { text: `Your keys are ${model.echoAnthropic} and (${model.echoSlack}), plain words stay.`, deltaSize: 2 },
  )
  const typed = `My key is ${user.typedKey}, DB_PASSWORD=${user.typedPassword}, ${user.typedHub} ${user.typedFace} https://x.example/?token=${user.typedQuery} and a harbour`
  await turn(raw, typed, house.work, "turn-1")
  fake.script({
    text: `It is ${config.providerKey}, ${config.gatewayToken}. 密钥是 ${planted.env.SESSION_SECRET}。`,
    deltaSize: 1,
  })
  await turn(raw, "Say it", house.work, "turn-2")
  const refused = JSON.stringify({
    error: { message: `Incorrect API key provided: ${config.providerKey} or ${model.serviceError}` },
  })
  fake.script({ fail: { type: "status", status: 401, body: refused } })
  await turn(raw, "Fail please", house.work, "turn-3")

  // The model heard what the user typed, as it was.
  assert.ok(JSON.stringify(fake.requests[0]?.body).includes(user.typedKey))

  await askEverything(raw, seen, asked.sessionName, asked.unknownMethod)
  await askHttp(house, planted, fake, seen)
  for (const frame of [...raw.frames, ...old.frames]) seen.add(`frame ${frame.event ?? frame.id}`, frame)
  for (const record of await house.parts.store.audit.list({ limit: 1_000 })) seen.add("audit", record)

  house.parts.log.warn(
    { token: config.gatewayToken, nested: { apiKey: "short1" }, url: `http://a:${config.urlPassword}@h/` },
    `key ${config.providerKey}`,
  )
  house.parts.log.error(
    { err: new Error(`broke at ${model.serviceError}`, { cause: new Error(config.childToken) }) },
    "It broke",
  )
  await raw.ask("logs.tail", { limit: 5_000 }).then((tail) => seen.add("logs.tail", tail))
  raw.socket.close()
  old.socket.close()
  await house.stop()
  for (const text of await wordsOfTheModel(house)) seen.add("the database", text)
  for (const name of readdirSync(join(house.home, "logs"))) {
    const log = readFileSync(join(house.home, "logs", name), "utf8")
    seen.add(`log ${name}`, log)
    assert.doesNotMatch(log, /short1/)
  }

  seen.assertNone(planted)
  // And what is no secret is there.
  for (const words of [
    "plain words stay",
    "and a harbour",
    "settings of the harbour",
    "PORT=8080 keeps its number",
    "密钥是",
    "It broke",
  ])
    assert.ok(seen.includes(words), words)
})

/** What is stored of the model's words. */
async function wordsOfTheModel(house: House): Promise<string[]> {
  const store = openStore({ path: join(house.home, "pincer.db"), durability: "normal" }, systemClock, silentLogger)
  try {
    const messages = await store.transcript.messages("agent:main:secrets")
    const words = messages.filter((one) => one.role === "assistant").flatMap((one) => one.content)
    return words.flatMap((part) => (part.type === "text" || part.type === "thinking" ? [part.text] : []))
  } finally {
    await store.close()
  }
}

/** Every view that the control plane has of sessions, runs, configuration and jobs, and refusals that name what they were given. */
async function askEverything(raw: Raw, seen: Seen, session: string, method: string): Promise<void> {
  const sessionKey = "agent:main:secrets"
  const questions: [string, Record<string, unknown>][] = [
    ["chat.history", { sessionKey, limit: 100 }],
    ["sessions.list", { includeDerivedTitles: true, includeLastMessage: true }],
    ["sessions.get", { key: sessionKey }],
    ["sessions.preview", { keys: [sessionKey] }],
    ["session.get", { session: sessionKey }],
    ["session.export", { session: sessionKey }],
    ["agent.wait", { runId: "turn-3", timeoutMs: 1_000 }],
    ["config.get", {}],
    ["status", {}],
    ["health", {}],
    ["models.list", {}],
    ["tools.catalog", {}],
    ["exec.approval.list", {}],
    ["audit.list", { limit: 1_000 }],
    ["audit.verify", {}],
    ["sessions.resolve", { key: session }],
    ["sessions.reset", { key: session }],
    ["config.get", { key: session }],
    ["exec.approval.get", { id: session }],
    ["chat.send", { sessionKey, message: 7, thinking: session }],
    [method, {}],
  ]
  for (const [name, params] of questions) seen.add(name, await raw.ask(name, params))
}

async function askHttp(house: House, planted: Planted, fake: FakeModel, seen: Seen): Promise<void> {
  const { asked, config, model, user } = planted
  const get = async (path: string, init: { method?: string; body?: unknown; token?: string } = {}): Promise<string> => {
    const response = await fetch(`${house.url}${path}`, {
      method: init.method ?? "GET",
      headers: { authorization: `Bearer ${init.token ?? config.gatewayToken}`, "content-type": "application/json" },
      ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
    })
    const text = await response.text()
    seen.add(`${init.method ?? "GET"} ${path.split("/").slice(0, 4).join("/")} ${response.status}`, text)
    return text
  }
  const chat = (stream: boolean) => ({
    method: "POST",
    body: { model: "fake/test-model", stream, messages: [{ role: "user", content: `Use ${user.typedKey}` }] },
  })
  for (const stream of [true, false]) {
    fake.script({ text: `Echo ${model.echoAnthropic} of it`, deltaSize: 3 })
    assert.match(await get("/v1/chat/completions", chat(stream)), /Echo/)
    fake.script({
      fail: {
        type: "status",
        status: 400,
        body: JSON.stringify({ error: { message: `Bad key ${model.serviceError}` } }),
      },
    })
    await get("/v1/chat/completions", chat(stream))
  }
  await get(`/v1/models/${asked.modelName}`)
  await get(`/${asked.path}`)
  await get("/v1/models", { token: asked.bearer })
  await get("/v1/chat/completions", {
    method: "POST",
    body: { model: asked.modelName, messages: [{ role: "user", content: "x" }] },
  })
  await get("/api/sessions")
  await get(`/api/sessions/export/${encodeURIComponent("agent:main:secrets")}`)
  await get(`/api/sessions/${asked.sessionName}`)
  fake.otherwise({ text: `The job says ${user.jobPrompt}`, deltaSize: 3 })
  const job = JSON.parse(
    await get("/api/jobs", { method: "POST", body: { prompt: `Deploy with ${user.jobPrompt}` } }),
  ) as Record<string, unknown>
  const id = String(job["job_id"] ?? job["id"])
  await get(`/api/jobs/${id}/events`)
  await get(`/api/jobs/${id}`)
  await get(`/api/jobs/${id}/result`)
  await get("/api/jobs")
  await get("/api/approvals")
}

test("the token that a device was given is known as a secret, also after a restart when it is shown again", async (t) => {
  const planted = plant()
  const { house } = await open(t, planted)
  const { gatewayToken } = planted.config
  const device = makeDevice()
  const first = await openRaw(house.wsUrl)
  const hello = await first.ask("connect", signed(2, device, clawConnect(4, gatewayToken), await first.challenge()))
  const deviceToken = String(hello.payload?.["auth"]?.["deviceToken"])
  assert.match(deviceToken, /^[\w-]{40,}$/)
  const refusal = JSON.stringify(await first.ask("exec.approval.get", { id: `x${deviceToken}` }))
  assert.ok(!refusal.includes(deviceToken), refusal)
  first.socket.close()
  await house.stop()
  const again = await startHouse({ home: house.home, env: { PINCER_GATEWAY_TOKEN: gatewayToken } })
  t.after(() => again.close())
  const response = await fetch(`${again.url}/v1/models/x${deviceToken}`, {
    headers: { authorization: `Bearer ${deviceToken}` },
  })
  const text = await response.text()
  assert.equal(response.status, 404)
  assert.ok(!text.includes(deviceToken), text)
})

test("what a gateway says when it crashes holds no secret", async (t) => {
  const home = mkdtempSync(join(tmpdir(), "pincer-crash-"))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  writeFileSync(join(home, "pincer.json"), '{ "gateway": { "port": 0 }, "models": { "discover": false } }')
  const secret = random(32)
  const crash =
    'process.on("SIGUSR2",()=>{throw new Error("broke at "+process.env.MY_PASSWORD,{cause:process.env.MY_PASSWORD})})'
  const child = spawn(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(crash)}`, PROGRAM, "gateway", "run"],
    {
      env: { PATH: process.env["PATH"] ?? "", HOME: home, PINCER_HOME: home, MY_PASSWORD: secret },
      stdio: ["ignore", "pipe", "pipe"],
    },
  )
  let said = ""
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      const before = said.includes("listens at")
      said += chunk
      if (!before && said.includes("listens at")) child.kill("SIGUSR2")
    })
  const [code] = await once(child, "close")
  assert.equal(code, 1)
  assert.match(said, /broke at \[redacted\]/)
  assert.ok(!said.includes(secret), said)
  const left = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  assert.ok(left.some(({ name }) => name === "gateway.log"))
  for (const { name, parentPath } of left)
    assert.ok(!readFileSync(join(parentPath, name), "latin1").includes(secret), `${name} was left with it`)
})
