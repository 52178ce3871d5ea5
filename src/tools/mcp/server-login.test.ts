// The sign-in of one MCP server against a service on the real wire that behaves and misbehaves: what is begun, finished, renewed by one at
// a time and taken back, and every answer that is refused.
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { type LoginService, type Mischief, startLoginService } from "../../../test/fakes/login-service.ts"
import { stillClock } from "../../../test/fakes/still-clock.ts"
import { PincerError } from "../../base/errors.ts"
import { silentLogger } from "../../base/log.ts"
import { LOGIN_MS, type LoginPorts, type LoginRecord, ServerLogin } from "./server-login.ts"

const HERE = "http://127.0.0.1:8976/callback"
const never = new AbortController().signal

interface Room {
  service: LoginService
  login: ServerLogin
  /** Another process with the same home. */
  other(): ServerLogin
  kept: { record: LoginRecord | undefined }
  hidden: Set<string>
  clock: ReturnType<typeof stillClock>
  signIn(): Promise<void>
}

async function open(t: TestContext, more: Partial<LoginPorts> = {}, url?: string): Promise<Room> {
  const service = await startLoginService(t)
  const kept: Room["kept"] = { record: undefined }
  const hidden = new Set<string>()
  const clock = stillClock()
  let turn: Promise<unknown> = Promise.resolve()
  const other = () =>
    new ServerLogin("notes", url ?? service.url, {
      ...{ clock, log: silentLogger, allowHosts: () => [], hide: (secret: string) => void hidden.add(secret) },
      shelf: {
        read: () => kept.record,
        write: (record) => {
          kept.record = record
        },
        remove: () => {
          kept.record = undefined
        },
        alone: (run) => {
          const mine = turn.then(run, run)
          turn = mine.catch(() => undefined)
          return mine
        },
      },
      ...more,
    })
  const login = other()
  return {
    ...{ service, login, other, kept, hidden, clock },
    async signIn() {
      await login.finish(await service.visit((await login.begin(HERE, never)).url), never)
    },
  }
}

test("signed in, the server's own resource is named with each wish, nothing is kept in the clear words of a message, and it ends", async (t) => {
  const { hidden, kept, login, service, signIn } = await open(t)
  assert.equal(login.state, "none")
  await signIn()
  assert.equal(login.state, "signed-in")
  const token = await login.token()
  assert.ok(token !== undefined && service.live.has(token))
  assert.equal(service.wanted[0]?.["resource"], service.url)
  assert.ok(hidden.has(token) && hidden.has(kept.record!.refreshToken!) && hidden.has(service.wanted[0]!["code"]!))
  const old = kept.record?.refreshToken
  assert.deepEqual(await login.end(never), { signedIn: true, revoked: true })
  assert.deepEqual(service.revoked, [old, token])
  assert.equal(await login.token(), undefined)
  assert.deepEqual(await login.end(never), { signedIn: false, revoked: false })
})

test("answers that are not for the sign-in that is open are refused, and it stays open; a used one is not taken twice", async (t) => {
  const { clock, login, service } = await open(t)
  await assert.rejects(login.finish("code=x&state=y", never), /no sign-in is open: type "pincer mcp login notes"/)
  const { url } = await login.begin(HERE, never)
  const answer = await service.visit(url)
  const forged = answer.replace(/state=[^&]*/, "state=guessed")
  await assert.rejects(login.finish(forged, never), /does not belong to the sign-in that is open/)
  await assert.rejects(login.finish("code=x", never), /does not belong/)
  assert.deepEqual(service.wanted, [])
  await login.finish(answer, never)
  await assert.rejects(login.finish(answer, never), /no sign-in is open/)
  const late = await service.visit((await login.begin(HERE, never)).url)
  clock.jump(LOGIN_MS + 1)
  await assert.rejects(login.finish(late, never), /no sign-in is open/)
})

test("a code is for whoever began: with another one's proof the service gives nothing", async (t) => {
  const { login, other, service } = await open(t)
  const { url } = await login.begin(HERE, never)
  const second = other()
  const theirs = new URL((await second.begin(HERE, never)).url).searchParams.get("state")!
  const stolen = (await service.visit(url)).replace(/state=[^&]*/, `state=${theirs}`)
  await assert.rejects(second.finish(stolen, never), /gave no token: invalid_grant/)
})

const begun: [Mischief, RegExp][] = [
  ["no-metadata", /it does not say where to sign in/],
  ["no-pkce", /does not say that it checks sign-ins/],
  ["other-issuer", /comes from another service/],
  ["no-registration", /set oauth\.clientId and oauth\.redirectPort/],
  ["private-service", /10\.1\.2\.3 is a private or local address/],
  ["other-resource", /its description is of another server, https:\/\/other\.example\/mcp/],
  ["page-of-another-kind", /sign-in could not be looked up|is no https address/],
]
const finished: [Mischief, RegExp][] = [
  ["answer-of-another", /comes from another service/],
  ["tokens-fail", /gave no token: /],
  ["tokens-huge", /answered with more than 262144 bytes/],
  ["tokens-odd", /it answered something that is no answer/],
  ["redirecting-tokens", /gave no token: /],
  ["token-with-line-break", /no header can hold/],
  ["deny", /the sign-in was refused \(access_denied: The user said no\)/],
]

test("whatever a service does wrong is refused by the server's name, and nothing of it is kept", async (t) => {
  const room = await open(t)
  const { kept, login, service } = room
  const refused = async (run: () => Promise<unknown>, said: RegExp, mischief: string) =>
    assert.rejects(run, (error: unknown) => {
      assert.ok(error instanceof PincerError, mischief)
      assert.match(error.message, /^MCP server "notes": /, mischief)
      assert.match(error.message, said, mischief)
      assert.doesNotMatch(error.message, /evil\.example|code-|access-|<h1>/, mischief)
      return true
    })
  for (const [mischief, said] of begun) {
    service.mischief.add(mischief)
    await refused(() => login.begin(HERE, never), said, mischief)
    service.mischief.clear()
  }
  for (const [mischief, said] of finished) {
    const { url } = await login.begin(HERE, never)
    service.mischief.add(mischief)
    const answer = await service.visit(url)
    await refused(() => login.finish(answer, never), said, mischief)
    service.mischief.clear()
  }
  assert.equal(kept.record, undefined)
  for (const place of ["https://evil.example/callback", "http://127.0.0.1.evil.example/", "javascript:alert(1)", "x"])
    await assert.rejects(login.begin(place, never), /is no address of this machine/)
})

test("a service that never answers is given up when the person does", async (t) => {
  const { kept, login, service } = await open(t)
  const { url } = await login.begin(HERE, never)
  const answer = await service.visit(url)
  service.mischief.add("tokens-hang")
  const gone = new AbortController()
  const waiting = login.finish(answer, gone.signal)
  gone.abort(new Error("gone"))
  await assert.rejects(waiting, /gone/)
  assert.equal(kept.record, undefined)
})

test("two that find the same token refused burn one token to renew with between them", async (t) => {
  const { login, other, service, signIn } = await open(t)
  await signIn()
  const failed = await login.token()
  service.expire()
  const second = other()
  for (const one of [login, second]) one.heard({})
  await Promise.all([login.renew(failed), second.renew(failed), login.renew(failed)])
  assert.equal(service.wanted.filter(({ grant_type }) => grant_type === "refresh_token").length, 1)
  assert.equal(service.wanted.at(-1)?.["resource"], service.url)
  assert.deepEqual([login.state, second.state], ["signed-in", "signed-in"])
  const now = await second.token()
  assert.notEqual(now, failed)
  assert.ok(service.live.has(now!) && now === (await login.token()))
})

test("what is about to end is renewed before it is used; while the service stumbles the old one is used as long as it counts", async (t) => {
  const { clock, kept, login, service, signIn } = await open(t)
  await signIn()
  const first = await login.token()
  clock.jump(3_600_000 - 20_000)
  service.mischief.add("tokens-fail")
  assert.equal(await login.token(), first)
  clock.jump(20_000)
  await assert.rejects(login.token(), /did not renew the sign-in/)
  assert.equal(login.state, "signed-in")
  assert.ok(kept.record)
  service.mischief.clear()
  assert.notEqual(await login.token(), first)
})

test("a sign-in that counts no more is forgotten, and the next step is named", async (t) => {
  const { kept, login, service, signIn } = await open(t)
  await signIn()
  const failed = await login.token()
  service.forget()
  await assert.rejects(login.renew(failed), /the sign-in counts no more: type "pincer mcp login notes"/)
  assert.equal(login.state, "needed")
  assert.equal(kept.record, undefined)
  await signIn()
  assert.equal(login.state, "signed-in")
})

test("tokens of one address go to no other that takes its name", async (t) => {
  const { kept, login, signIn } = await open(t)
  await signIn()
  assert.ok(await login.token())
  kept.record = { ...kept.record!, url: "https://elsewhere.example/mcp" }
  assert.equal(await login.token(), undefined)
  assert.equal(login.state, "none")
})

test("a client that the owner registered is used as it is, and its secret is kept nowhere", async (t) => {
  const { kept, login, service } = await open(t, { client: { id: "mine", secret: () => "s3cr3t-of-mine" } })
  service.mischief.add("no-registration")
  const { url } = await login.begin(HERE, never)
  assert.equal(new URL(url).searchParams.get("client_id"), "mine")
  assert.ok(!service.asked.includes("POST /register"))
  assert.doesNotMatch(JSON.stringify([url, kept.record]), /s3cr3t/)
})
