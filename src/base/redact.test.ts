import assert from "node:assert/strict"
import { test } from "node:test"
import { nameKind, openRedactor, REDACTED } from "./redact.ts"

const KNOWN = ["s3cret-value-77", 'odd "quoted" & <b>/+=', "correct horse battery", "密码很长的一个值"]
const redactor = openRedactor({ secrets: KNOWN })
const b64 = (text: string) => Buffer.from(text).toString("base64")

/** Text, and what must not be left of it. */
const SECRETS: readonly [string, string][] = [
  ["OpenAI: sk-proj-Ab3dEf6hIj9kLm2nOp5q", "Ab3dEf6hIj9kLm2nOp5q"],
  ["Anthropic sk-ant-api03-Qw3rTy6uIo9pAs2dFg5h-xyz, so", "Qw3rTy6uIo9pAs2dFg5h"],
  ["ghp_16C7e42F292c6912E7710c838347Ae178B4a", "16C7e42F292c6912"],
  ["github_pat_11ABCDEFG0abcdefghij_klmnopqrstuv", "11ABCDEFG0abcdefghij"],
  ["glpat-AbCdEf12345_-xyzABCD", "AbCdEf12345"],
  ["xoxb-123456789012-abcdefABCDEF", "123456789012"],
  ["key AKIAIOSFODNN7EXAMPLE.", "IOSFODNN7EXAMPLE"],
  ["AIzaSyA1234567890abcdefghijklmnopqrstuvw", "SyA1234567890"],
  ["hf_AbCdEfGhIjKlMnOp1234", "AbCdEfGhIjKlMnOp"],
  ["gsk_abcdef1234567890ABCDEF", "abcdef1234567890"],
  ["//registry.npmjs.org/:_authToken=npm_0123456789abcdefABCDEF0123456789abcd", "0123456789abcdef"],
  ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "eyJzdWIiOiIxMjM0In0"],
  ["-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKC\nAQEA1234\n-----END RSA PRIVATE KEY-----\n", "MIIEowIBAAKC"],
  ['{"key":"-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADAN\\n-----END PRIVATE KEY-----\\n"}', "MIIEvQIBADAN"],
  ["authorization: Bearer abc123def456ghi", "abc123def456ghi"],
  ["curl -H 'Authorization: Token 0a1b2c3d4e'", "0a1b2c3d4e"],
  [`Authorization: Basic ${b64("ann:pa55word")}`, b64("ann:pa55word").slice(0, 10)],
  ["Cookie: sid=8f7d6s5a4; theme=dark", "8f7d6s5a4"],
  ["git clone https://ann:hunter2@example.com/x.git", "hunter2"],
  ["https://0a1B2c3D4e5F6g7H8i9J@example.com/x.git", "0a1B2c3D4e5F6g7H8i9J"],
  ["GET /ws?token=abcdef&x=1", "abcdef"],
  ["https://maps.example/api?key=abc123xyz", "abc123xyz"],
  ["DB_PASSWORD=hunter2", "hunter2"],
  ["export GITHUB_TOKEN='a b c d e'", "a b c d e"],
  ['PASSPHRASE="four words of mine"', "four words of mine"],
  ["aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI"],
  ['{"apiKey": "a8Fj29dKs02mLq71"}', "a8Fj29dKs02mLq71"],
  ['"{\\"password\\":\\"hunter22x\\"}"', "hunter22x"],
  ["host=db password=s3cr3tpw user=me", "s3cr3tpw"],
  ["密码：admin123，请保密", "admin123"],
  ["123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw4", "AAHdqTcvCH1vGWJ"],
  ["it is s3cret-value-77!", "s3cret-value-77"],
  [`in base64 ${b64("s3cret-value-77")}`, b64("s3cret-value-77").slice(0, 12)],
  [`shifted ${b64("x:s3cret-value-77:y")}`, b64("xx:s3cret-value-77").slice(8, 18)],
  [encodeURIComponent(KNOWN[1]!), "%22quoted%22"],
  [JSON.stringify(JSON.stringify(KNOWN[1])), "quoted"],
  [Buffer.from("s3cret-value-77").toString("hex"), Buffer.from("s3cret-value").toString("hex")],
  ["说：密码很长的一个值。", "很长的一个值"],
]

const HARMLESS = [
  "The bearer of good news; Bearer authentication is used. Basic understanding, Basic cGxhaW4gd29yZHM=",
  "commit 9fa60b9c1e2d3f4a5b6c7d8e9f0a1b2c3d4e5f60, sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  "550e8400-e29b-41d4-a716-446655440000 and 0192f0c1-7b2e-7c3d-9e4f-5a6b7c8d9e0f",
  "/usr/local/lib/node_modules/@scope/package-name/dist/esm/internal/streams/token-reader.js:120:14",
  "const token = await readToken(path); const apiKey = config.providers.openai.apiKey2",
  "if (password === other.password1) return token2",
  "maxTokens: 100000, inputTokens=52, next_token: abc, sessionKey=agent:main:main",
  'primary_key="customer_number_2"  cache-key: deps-v2-linux',
  "http://127.0.0.1:18789/v1 and ssh://git@github.com/a/b.git and http://[::1]:80/?q=1&page=2",
  ["TOKEN=$GITHUB_TOKEN PASSWORD=$", "{PW} SECRET=$(cat x) API_KEY=<your key>"].join(""),
  "SSH_AUTH_SOCK=/tmp/ssh-a/agent.1 TOKEN_FILE=/run/secrets/token",
  "task-1234567890abcdef sk-learn-pipeline-of-many-words risk-assessment-2024-version-final-2",
  "token: string; secret?: string; password: z.string().min(8)",
  "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIE\n-----END CERTIFICATE-----",
  "你好，世界。密码：请输入至少8位的密码。令牌已经用完了。",
  "credential: X509Credential | undefined; SUBJECT_TOKEN = 'urn:oauth:token-type:x509'",
  "npm_config_registry npm_package_version hf_hub_download_2",
  "Cookies: see section 5. Authorization: required.",
  `data:image/png;base64,${"iVBORw0KGgoAAAANSUhEUgAAAAUA".repeat(20)}`,
]

test("text() takes every kind of secret out and leaves the words around it", () => {
  for (const [text, secret] of SECRETS) {
    const shown = redactor.text(text)
    assert.ok(shown.includes(REDACTED), `${text} => ${shown}`)
    assert.ok(!shown.includes(secret), `${text} => ${shown}`)
  }
  assert.equal(redactor.text("it is s3cret-value-77!"), "it is [redacted]!")
  assert.equal(redactor.text("密码：admin123，请保密"), "密码：[redacted]，请保密")
  assert.equal(redactor.text("https://ann:hunter2@example.com/x.git"), "https://ann:[redacted]@example.com/x.git")
})

test("text() leaves hashes, identifiers, paths, code, references and prose as they are", () => {
  for (const text of HARMLESS) assert.equal(redactor.text(text), text)
})

test("redacting twice changes nothing more", () => {
  for (const [text] of SECRETS) assert.equal(redactor.text(redactor.text(text)), redactor.text(text))
})

function streamed(text: string, cut: (text: string) => string[]): string {
  const stream = redactor.stream()
  let shown = ""
  for (const piece of cut(text)) shown += stream.push(piece)
  return shown + stream.end()
}

const CUTS: readonly ((text: string) => string[])[] = [
  (text) => [...text],
  (text) => text.match(/[\s\S]{1,3}/gu) ?? [],
  (text) => text.match(/[\s\S]{1,7}/gu) ?? [],
  (text) => ["", text, ""],
]

test("stream() finds a secret however it is split over pieces", () => {
  for (const [text, secret] of SECRETS)
    for (const cut of CUTS) {
      const shown = streamed(`before ${text}`, cut)
      assert.ok(shown.includes(REDACTED) && !shown.includes(secret), `${text} => ${shown}`)
    }
  for (const [text, secret] of SECRETS)
    for (let at = 1; at < text.length; at++) {
      const shown = streamed(text, (whole) => [whole.slice(0, at), whole.slice(at)])
      assert.ok(!shown.includes(secret), `${text} at ${at} => ${shown}`)
    }
})

test("stream() gives harmless text unchanged, and all of it", () => {
  for (const text of HARMLESS) for (const cut of CUTS) assert.equal(streamed(text, cut), text)
})

test("stream() shows ordinary text at once", () => {
  const stream = redactor.stream()
  for (const word of ["Hello", " ", "world", ", s", "o", " the", " token", " is", " fine", "。", "好的"])
    assert.equal(stream.push(word), word)
  assert.equal(stream.end(), "")
})

test("stream() holds back a bounded amount, whatever comes", () => {
  const floods = ["TOKEN=", "password: ", "https://a:", "Bearer ", "eyJ", "sk-", "-----BEGIN PRIVATE KEY-----\n"]
  for (const flood of floods) {
    const stream = redactor.stream()
    let shown = stream.push(flood).length
    for (let i = 0; i < 30_000; i++) shown += stream.push("a!").length
    const held = stream.end().length
    assert.ok(held <= 1_000, `${flood}: ${held} held back at the end, ${shown} shown`)
  }
})

test("the time for a text grows with its length only", () => {
  const evil = [
    "TOKEN=$",
    "A:",
    "://a:",
    "sk-a",
    "eyJa.",
    "Basic a",
    "=",
    ": ",
    "-----BEGIN PRIVATE KEY",
    '"token":"a1"',
    "aaaaaa",
  ]
  for (const part of evil) {
    const size = 400_000
    const start = process.cpuUsage()
    redactor.text(part.repeat(size / part.length))
    const { user } = process.cpuUsage(start)
    assert.ok(user < 5_000_000, `${part}: ${user} µs of CPU for ${size} characters`)
  }
})

test("value() copies deeply only what changes, and keys that tell of a secret lose their text", () => {
  const plain = { a: [1, { b: "text" }], sessionKey: "agent:main:main", usage: { inputTokens: 5 } }
  assert.equal(redactor.value(plain), plain)
  const given = {
    token: "abc",
    keep: plain,
    list: ["x", "s3cret-value-77"],
    headers: { Authorization: "hm", "x-odd-key": "Zm9vYmFyMTIzNDU2Nzg5MDEy", "sort-key": "name" },
    apiKey: { env: "MY_API_KEY" },
    password: 12,
  }
  const shown = redactor.value(given)
  assert.deepEqual(shown, {
    token: REDACTED,
    keep: plain,
    list: ["x", REDACTED],
    headers: { Authorization: REDACTED, "x-odd-key": REDACTED, "sort-key": "name" },
    apiKey: { env: "MY_API_KEY" },
    password: 12,
  })
  assert.equal(shown.keep, plain)
  assert.equal(given.list[1], "s3cret-value-77")
})

test("value() leaves pictures and files alone, and finds secrets in keys", () => {
  const data = b64(`picture s3cret-value-77 ${"x".repeat(30)}`)
  const image = { type: "image", mimeType: "image/png", data }
  assert.equal(redactor.value(image), image)
  assert.deepEqual(redactor.value({ "s3cret-value-77": 1 }), { [REDACTED]: 1 })
})

test("add() takes secrets from now on, and none that is shorter than 6 characters", () => {
  const own = openRedactor()
  assert.equal(own.text("a new-secret-1 and abcde"), "a new-secret-1 and abcde")
  const stream = own.stream()
  own.add("new-secret-1")
  own.add("abcde")
  assert.equal(own.text("a new-secret-1 and abcde"), "a [redacted] and abcde")
  assert.equal(stream.push("new-secret-1") + stream.end(), REDACTED)
})

test("a secret longer than any window is found whole", () => {
  const long = Array.from({ length: 3000 }, (_, i) => String.fromCharCode(33 + ((i * 31) % 90))).join("")
  const own = openRedactor({ secrets: [long] })
  for (const cut of CUTS) {
    const stream = own.stream()
    let shown = ""
    for (const piece of cut(`a ${long} z`)) shown += stream.push(piece)
    shown += stream.end()
    assert.ok(!shown.includes(long.slice(100, 140)) && !shown.includes(long.slice(-40)), shown.slice(0, 200))
  }
})

test("nameKind() tells secrets from counts, places and our own words", () => {
  for (const name of [
    "token",
    "GITHUB_TOKEN",
    "x-api-key",
    "clientSecret",
    "DB_PASSWORD_2",
    "Set-Cookie",
    "数据库密码",
  ])
    assert.equal(nameKind(name), "strong", name)
  for (const name of ["signature", "AccountKey", "x-odd-key"]) assert.ok(nameKind(name), name)
  for (const name of ["sessionKey", "maxTokens", "nextToken", "tokenizer", "primary_key", "keyboard", "secretary"])
    assert.equal(nameKind(name), undefined, name)
})
