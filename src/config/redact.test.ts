import assert from "node:assert/strict"
import { test } from "node:test"
import { checkText } from "./check.ts"
import { parseDocument } from "./document.ts"
import { holdsPlainSecret, REDACTED, redact, redactText, withRealSecrets } from "./redact.ts"

const text = `{
  // "apiKey": "sk-commented-out-0123456789",
  /* keep this remark */
  "gateway": { "auth": { "token": "gateway-secret-1" } },
  "providers": {
    "openai": { "apiKey": "provider-secret-2", "baseUrl": "https://me:secret-3@host/v1?key=secret-4&x=1" },
    "own": {
      "service": "openai",
      "apiKey": { "env": "OWN_KEY" },
      "headers": { "Authorization": "Bearer secret-5", "x-api-key": "secret-6", "X-Trace": "abc", "x-odd": "Zm9vYmFyMTIzNDU2Nzg5MDEyMzQ1" },
      "quirks": { "maxTokensField": "max_tokens" },
    },
  },
  "tools": { "exec": { "env": { "GITHUB_TOKEN": "secret-7", "LANG": "en_US.UTF-8" } }, "search": { "apiKey": { "file": "brave.key" } } },
}
`
const SECRETS = /secret-\d|sk-commented|Zm9v/

test("redact() hides every secret of a configuration and leaves references and the rest as they are", () => {
  const checked = checkText(text)
  assert.ok(checked.ok, JSON.stringify(checked))
  const shown = redact(checked.config)
  assert.doesNotMatch(JSON.stringify(shown), SECRETS)
  assert.equal(shown.gateway.auth.token, REDACTED)
  assert.equal(shown.providers.openai?.baseUrl, `https://${REDACTED}@host/v1?key=${REDACTED}&x=1`)
  assert.deepEqual(shown.providers.own?.apiKey, { env: "OWN_KEY" })
  assert.deepEqual(shown.tools.search.apiKey, { file: "brave.key" })
  assert.equal(shown.providers.own?.headers["X-Trace"], "abc")
  assert.equal(shown.providers.own?.quirks.maxTokensField, "max_tokens")
  assert.equal(shown.tools.exec.env.LANG, "en_US.UTF-8")
  assert.equal(checked.config.gateway.auth.token, "gateway-secret-1", "the original is untouched")
})

test("redactText() hides the same in the text and keeps its remarks and layout", () => {
  const shown = redactText(text)
  assert.doesNotMatch(shown, SECRETS)
  assert.match(shown, /keep this remark/)
  assert.match(shown, /^ {2}\/\/ \[redacted\]$/m)
  assert.equal(shown.split("\n").length, text.split("\n").length)
  assert.deepEqual(parseDocument(shown).value, redact(parseDocument(text).value))
})

test("holdsPlainSecret() tells a secret from a reference to one", () => {
  assert.equal(holdsPlainSecret({ apiKey: "x" }), true)
  assert.equal(holdsPlainSecret({ apiKey: { env: "X" } }), false)
  assert.equal(holdsPlainSecret({}), false)
})

test("what was read masked and is written back keeps every real secret", () => {
  const real = parseDocument(text).value
  assert.deepEqual(withRealSecrets(redact(real), real, []), real)
  const list = { all: [{ token: "secret-5" }, { token: "secret-6", name: "b" }] }
  const { all } = redact(list)
  assert.deepEqual(withRealSecrets({ all: [{ name: "new" }, ...all] }, list, []), {
    all: [{ name: "new" }, ...list.all],
  })
  const twins = { all: [{ token: "secret-5" }, { token: "secret-6" }] }
  assert.deepEqual(withRealSecrets(redact(twins), twins, []), twins)
  assert.throws(() => withRealSecrets({ all: redact(twins).all.slice(1) }, twins, []), /all\.0\.token/)
  assert.throws(
    () => withRealSecrets({ apiKey: REDACTED }, {}, ["providers", "x"]),
    /providers\.x\.apiKey: .*not there/,
  )
})

test("credentials of external agents are secrets whatever their log-in method is called", () => {
  const acp = { credentials: { chatgpt: "hunter2", other: { env: "NAME" }, third: { file: "a.key" } } }
  assert.deepEqual(redact({ acp }), { acp: { credentials: { ...acp.credentials, chatgpt: REDACTED } } })
})
