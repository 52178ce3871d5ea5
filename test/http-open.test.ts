// The routes that need no token, and what the others say without one.
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { type House, startHouse } from "./house.ts"

let house: House
before(async () => {
  house = await startHouse()
})
after(() => house.close())

function post(body: string, headers: Record<string, string> = {}, at = house): Promise<Response> {
  return fetch(`${at.url}/api/auth/verify`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  })
}

test("GET /api/auth/check and /api/build answer without a token and tell no more than they must", async () => {
  assert.deepEqual(await (await fetch(`${house.url}/api/auth/check`)).json(), { required: true })
  const build = (await (await fetch(`${house.url}/api/build`)).json()) as Record<string, string>
  assert.deepEqual(Object.keys(build).sort(), ["commit", "time", "version"])
  assert.equal(build["version"], house.parts.version)
  assert.match(build["time"] ?? "", /^\d{4}-\d\d-\d\dT/)
  assert.match(build["commit"] ?? "?", /^([0-9a-f]{40,64})?$/)
})

test("POST /api/auth/verify says whether it is the token, in the body alone", async () => {
  assert.deepEqual(await (await post(JSON.stringify({ token: house.token }))).json(), { valid: true })
  assert.deepEqual(await (await post(JSON.stringify({ token: "wrong" }))).json(), { valid: false })
  const header = await post(JSON.stringify({ token: "wrong" }), { authorization: `Bearer ${house.token}` })
  assert.deepEqual(await header.json(), { valid: false })
  for (const body of ["{", "[]", "{}", '{"token":1}', '{"token":null}']) {
    const refused = await post(body)
    assert.deepEqual([refused.status, await refused.json()], [400, { valid: false, error: "invalid request" }])
  }
  assert.equal((await post("token=x", { "content-type": "text/plain" })).status, 415)
  assert.equal((await post("token=x", { "content-type": "application/x-www-form-urlencoded" })).status, 415)
  assert.equal((await post(JSON.stringify({ token: "x".repeat(10_000) }))).status, 413)
})

test("without a token to ask for every token is valid", async () => {
  const open = await startHouse({ config: { gateway: { auth: { mode: "none" } } } })
  try {
    assert.deepEqual(await (await fetch(`${open.url}/api/auth/check`)).json(), { required: false })
    assert.deepEqual(await (await post(JSON.stringify({ token: "anything" }), {}, open)).json(), { valid: true })
  } finally {
    await open.close()
  }
})

test("tries are counted like every failed login, and a locked out address learns nothing more", async () => {
  const strict = await startHouse({ config: { gateway: { auth: { rateLimit: { maxAttempts: 3 } } } } })
  try {
    const guess = (token: string) => post(JSON.stringify({ token }), { "x-forwarded-for": "203.0.113.9" }, strict)
    for (const token of ["a1", "b2", "c3"]) assert.equal((await guess(token)).status, 200)
    const locked = await guess(strict.token)
    assert.equal(locked.status, 429)
    assert.ok(Number(locked.headers.get("retry-after")) > 0)
    const elsewhere = await fetch(`${strict.url}/api/jobs`, {
      headers: { authorization: `Bearer ${strict.token}`, "x-forwarded-for": "203.0.113.9" },
    })
    assert.equal(elsewhere.status, 429)
  } finally {
    await strict.close()
  }
})

test("a wrong method is 405 with what is allowed, everywhere under /api; without a token it is 401", async () => {
  const cases: [string, string, string][] = [
    ["POST", "/api/build", "GET, HEAD"],
    ["DELETE", "/api/auth/check", "GET, HEAD"],
    ["GET", "/api/auth/verify", "POST"],
    ["PUT", "/api/jobs", "GET, POST"],
    ["POST", "/api/sessions", "GET"],
    ["GET", "/api/sessions/import", "POST"],
    ["POST", "/api/agents", "GET"],
    ["POST", "/metrics", "GET, HEAD"],
    ["GET", "/rpc", "POST"],
  ]
  for (const [method, path, allow] of cases) {
    const refused = await fetch(house.url + path, { method })
    assert.deepEqual([method, path, refused.status, refused.headers.get("allow")], [method, path, 405, allow])
  }
  for (const path of ["/api/jobs", "/api/sessions", "/api/agents", "/api/approvals", "/metrics"])
    assert.deepEqual([path, (await fetch(house.url + path)).status], [path, 401])
})
