// Models that come: whole and checked, or not at all; what was cut off goes on where it was.
import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { tinyModel } from "../../test/fakes/tiny-model.ts"
import { webServer } from "../../test/fakes/web-server.ts"
import { filesOf } from "./hub.ts"
import { copyModel, downloadModel, type Receiving } from "./receiving.ts"

const MODEL = tinyModel()
const SUM = createHash("sha256").update(MODEL).digest("hex")

function place(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "pincer-receiving-"))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const into = join(root, "models")
  const options = (more: Partial<Receiving> = {}): Receiving => ({
    ...{ into, file: "m.gguf", signal: new AbortController().signal, free: async () => 1e12 },
    ...more,
  })
  return { root, into, options, left: () => (existsSync(into) ? readdirSync(into).sort() : []) }
}

/** Serves the model; ranges as files are served. */
function served(request: IncomingMessage, response: ServerResponse, etag = '"one"'): void {
  const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0)
  const isSame = request.headers["if-range"] === etag
  const body = isSame ? MODEL.subarray(from) : MODEL
  const range = { "content-range": `bytes ${from}-${MODEL.length - 1}/${MODEL.length}` }
  response.writeHead(isSame ? 206 : 200, { etag, "content-length": body.length, ...(isSame ? range : {}) })
  response.end(body)
}

/** Serves the first part, and breaks off once that has arrived. */
function cutter() {
  const arrived = Promise.withResolvers<void>()
  return {
    onProgress: (done: number) => {
      if (done >= 100_000) arrived.resolve()
    },
    cut(response: ServerResponse) {
      response.writeHead(200, { etag: '"one"', "content-length": MODEL.length }).write(MODEL.subarray(0, 100_000))
      void arrived.promise.then(() => response.destroy())
    },
  }
}

test("a file is copied, with its sum, and progress is told", async (t) => {
  const { root, into, options, left } = place(t)
  const from = join(root, "given.gguf")
  writeFileSync(from, MODEL)
  const steps: [number, number | undefined][] = []
  const got = await copyModel(from, options({ onProgress: (...step) => steps.push(step) }))
  assert.deepEqual(got, { path: join(into, "m.gguf"), bytes: MODEL.length, sha256: SUM, resumed: 0 })
  assert.deepEqual(
    [steps[0], steps.at(-1)],
    [
      [0, MODEL.length],
      [MODEL.length, MODEL.length],
    ],
  )
  assert.deepEqual(left(), ["m.gguf"])
  assert.equal(statSync(got.path).mode & 0o077, 0)
  await assert.rejects(copyModel(from, options()), { code: "ALREADY_EXISTS" })
})

test("what is no model, is cut off, has no room or a name that leads elsewhere leaves nothing behind", async (t) => {
  const { root, options, left } = place(t)
  const bad = join(root, "bad.gguf")
  writeFileSync(bad, "hello")
  await assert.rejects(copyModel(bad, options()), /is not a GGUF file/)
  writeFileSync(bad, MODEL.subarray(0, 400_000))
  await assert.rejects(copyModel(bad, options()), /is cut off/)
  writeFileSync(bad, MODEL)
  await assert.rejects(
    copyModel(bad, options({ free: async () => 1_000 })),
    /There is no room for m\.gguf .*PINCER_HOME/,
  )
  for (const file of ["../m.gguf", ".gguf", "m.bin", "a/m.gguf"])
    await assert.rejects(copyModel(bad, options({ file })), { code: "INVALID_PARAMS" })
  await assert.rejects(copyModel(join(root, "none"), options()), { code: "NOT_FOUND" })
  assert.deepEqual(left(), [])
})

test("a download that breaks off goes on where it was, and is the same in the end", async (t) => {
  const { options, left } = place(t)
  let tries = 0
  const { cut, onProgress } = cutter()
  const server = await webServer(t, (request, response) => {
    tries += 1
    if (tries === 1) cut(response)
    else served(request, response)
  })
  const url = `${server.url}/m.gguf`
  await assert.rejects(downloadModel(url, options({ onProgress })), {
    code: "UNAVAILABLE",
    message: /the same command goes on/,
  })
  assert.deepEqual(left(), ["m.gguf.part", "m.gguf.part.json"])
  const got = await downloadModel(url, options({ sha256: SUM.toUpperCase() }))
  assert.equal(got.resumed, 100_000)
  assert.equal(server.asked[1]?.headers.range, `bytes=${got.resumed}-`)
  assert.equal(got.sha256, SUM)
  assert.ok(readFileSync(got.path).equals(MODEL))
  assert.deepEqual(left(), ["m.gguf"])
})

test("a server that has another version by now sends all of it", async (t) => {
  const { options } = place(t)
  let tries = 0
  const { cut, onProgress } = cutter()
  const server = await webServer(t, (request, response) => {
    tries += 1
    if (tries === 1) cut(response)
    else served(request, response, '"two"')
  })
  await assert.rejects(downloadModel(`${server.url}/m.gguf`, options({ onProgress })))
  const got = await downloadModel(`${server.url}/m.gguf`, options())
  assert.deepEqual([got.resumed, got.sha256], [0, SUM])
})

test("another sum than the one that was asked for, and a page instead of a model, are refused and removed", async (t) => {
  const { options, left } = place(t)
  const server = await webServer(t, (request, response) => {
    if (request.url === "/page.gguf") response.end("<html>Please log in</html>")
    else served(request, response)
  })
  await assert.rejects(
    downloadModel(`${server.url}/m.gguf`, options({ sha256: "0".repeat(64) })),
    /is not what was asked for/,
  )
  await assert.rejects(downloadModel(`${server.url}/page.gguf`, options()), /is not a GGUF file/)
  assert.deepEqual(left(), [])
})

test("a server that says no, falls silent, or leads to an unsafe address is refused", async (t) => {
  const { options } = place(t)
  const server = await webServer(t, (request, response) => {
    if (request.url === "/none.gguf") response.writeHead(404).end()
    else if (request.url === "/gated.gguf") response.writeHead(401).end()
    else if (request.url === "/silent.gguf") response.writeHead(200, { "content-length": 10 }).write("GGUF")
    else if (request.url === "/loop.gguf") response.writeHead(302, { location: "/loop.gguf" }).end()
    else response.writeHead(302, { location: "http://models.example/m.gguf" }).end()
  })
  const get = (file: string) => downloadModel(`${server.url}/${file}`, options({ stallMs: 50 }))
  await assert.rejects(get("none.gguf"), { code: "NOT_FOUND" })
  await assert.rejects(get("gated.gguf"), { code: "PERMISSION_DENIED" })
  await assert.rejects(get("silent.gguf"), /was silent/)
  await assert.rejects(get("loop.gguf"), /more than 5 times/)
  await assert.rejects(get("away.gguf"), /over https only/)
  await assert.rejects(downloadModel("http://models.example/m.gguf", options()), /over https only/)
  await assert.rejects(downloadModel("ftp://models.example/m.gguf", options()), /is not a web address/)
})

test("no room is seen before anything is written", async (t) => {
  const { options, left } = place(t)
  const server = await webServer(t, (request, response) => served(request, response))
  await assert.rejects(downloadModel(`${server.url}/m.gguf`, options({ free: async () => 1_000 })), /There is no room/)
  assert.deepEqual(left(), [])
})

test("two that receive the same file do not mix; one that died holds nobody up", async (t) => {
  const { into, options } = place(t)
  const held = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const server = await webServer(t, async (request, response) => {
    asked.resolve()
    await held.promise
    served(request, response)
  })
  const first = downloadModel(`${server.url}/m.gguf`, options())
  await asked.promise
  await assert.rejects(downloadModel(`${server.url}/m.gguf`, options()), { code: "CONFLICT" })
  held.resolve()
  await first
  writeFileSync(join(into, "n.gguf.part.lock"), "999999 long ago")
  await downloadModel(`${server.url}/m.gguf`, options({ file: "n.gguf" }))
})

test("who stops a download is told that it goes on", async (t) => {
  const { options, left } = place(t)
  const stop = new AbortController()
  const server = await webServer(t, (_request, response) => {
    response.writeHead(200, { etag: '"one"', "content-length": MODEL.length }).write(MODEL.subarray(0, 10_000))
  })
  const onProgress = (done: number) => {
    if (done > 0) stop.abort()
  }
  await assert.rejects(downloadModel(`${server.url}/m.gguf`, options({ signal: stop.signal, onProgress })), {
    code: "ABORTED",
  })
  assert.deepEqual(left(), ["m.gguf.part", "m.gguf.part.json"])
})

test("of a repository the file that is named, else Q4_K_M, else the first model; with all its parts", async (t) => {
  const files = [
    "README.md",
    "mmproj-f16.gguf",
    "a-Q8_0.gguf",
    "a-Q4_K_M-00001-of-00002.gguf",
    "a-Q4_K_M-00002-of-00002.gguf",
  ]
  const server = await webServer(t, (request, response) => {
    const siblings = files.map((rfilename) => ({ rfilename, lfs: { sha256: SUM } }))
    const Files = files.map((Path) => ({ Path, Sha256: SUM, Type: "blob" }))
    if (request.url === "/api/models/o/r?blobs=true") response.end(JSON.stringify({ siblings }))
    else if (request.url?.startsWith("/api/v1/models/o/r/repo/files")) response.end(JSON.stringify({ Data: { Files } }))
    else if (request.url === "/api/models/o/bare?blobs=true")
      response.end(JSON.stringify({ siblings: [{ rfilename: "x.safetensors" }] }))
    else response.writeHead(404).end()
  })
  const { signal } = new AbortController()
  const at = { signal, baseUrl: `${server.url}/` }
  const [first, second] = await filesOf("o/r", undefined, { hub: "huggingface", ...at })
  assert.deepEqual(first, { file: files[3], url: `${server.url}/o/r/resolve/main/${files[3]}`, sha256: SUM })
  assert.equal(second?.file, files[4])
  const [named] = await filesOf("o/r", "a-Q8_0.gguf", { hub: "modelscope", ...at })
  assert.equal(named?.url, `${server.url}/models/o/r/resolve/master/a-Q8_0.gguf`)
  await assert.rejects(filesOf("o/r", "b.gguf", { hub: "huggingface", ...at }), /no file "b\.gguf".*a-Q8_0\.gguf/)
  await assert.rejects(filesOf("o/bare", undefined, { hub: "huggingface", ...at }), /no model in the GGUF format/)
  await assert.rejects(filesOf("o/none", undefined, { hub: "huggingface", ...at }), { code: "NOT_FOUND" })
  for (const wrong of ["only", "a/b/c", "../x", "a b/c"])
    await assert.rejects(filesOf(wrong, undefined, { hub: "huggingface", ...at }), { code: "INVALID_PARAMS" })
})
