// Which model files count, and what their heads say.
import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { type TestContext, test } from "node:test"
import { seeded } from "../../test/fakes/seeded.ts"
import { tinyModel } from "../../test/fakes/tiny-model.ts"
import { PincerError } from "../base/errors.ts"
import { readGguf } from "./gguf.ts"
import { listModels, removeModel, type Shelf, shelves, suitable } from "./shelf.ts"

function place(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "pincer-shelf-"))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const home = join(root, ".pincer")
  const put = (file: string, bytes: Buffer | string = tinyModel(), age = 0) => {
    const path = join(root, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
    utimesSync(path, 2_000_000 - age, 2_000_000 - age)
    return path
  }
  return { root, home, put, places: shelves(home, root, {}, "linux") }
}

const named = async (places: Shelf[]) => (await listModels(places)).map(({ name }) => name)

test("a head says what kind of model it is and how long its context is", async (t) => {
  const { put } = place(t)
  const facts = await readGguf(put("a.gguf", tinyModel({ name: "小", contextLength: 8_192 })), { whole: true })
  assert.deepEqual(facts, { architecture: "llama", kind: "model", name: "小", contextLength: 8_192 })
  const projector = put("b.gguf", tinyModel({ texts: { "general.architecture": "clip" } }))
  assert.equal((await readGguf(projector)).kind, "projector")
  const embedding = put("c.gguf", tinyModel({ texts: { "general.architecture": "nomic-bert" } }))
  assert.equal((await readGguf(embedding)).kind, "embedding")
})

test("what is no GGUF file, is cut off anywhere, or is broken in its head is refused in words", async (t) => {
  const { put } = place(t)
  const whole = tinyModel()
  await assert.rejects(readGguf(put("html.gguf", "<!DOCTYPE html>")), /is not a GGUF file/)
  await assert.rejects(readGguf(put("empty.gguf", "")), /is not a GGUF file/)
  const old = Buffer.from(whole)
  old.writeUInt32LE(1, 4)
  await assert.rejects(readGguf(put("old.gguf", old)), /GGUF version 1/)
  const random = seeded(7)
  const path = put("cut.gguf", whole)
  for (const size of [
    whole.length - 1,
    whole.length - 40_000,
    ...Array.from({ length: 20 }, () => Math.floor(random() * whole.length)),
  ].sort((a, b) => b - a)) {
    truncateSync(path, size)
    await assert.rejects(readGguf(path, { whole: true }), { name: "PincerError", code: "INVALID_PARAMS" })
  }
})

test("a head that lies about its lengths costs neither memory nor a crash", async (t) => {
  const { put } = place(t)
  const random = seeded(11)
  const head = tinyModel()
  for (let round = 0; round < 60; round++) {
    const broken = Buffer.from(head)
    for (let i = 0; i < 6; i++) broken[4 + Math.floor(random() * 3_000)] = Math.floor(random() * 256)
    const path = put("broken.gguf", broken)
    await readGguf(path, { whole: true }).catch((error: unknown) =>
      assert.ok(error instanceof PincerError, String(error)),
    )
  }
})

test("our own folder comes first, newest first; others are looked into as deep as they are", async (t) => {
  const { put, places } = place(t)
  put(".pincer/models/old.gguf", tinyModel(), 100)
  put(".pincer/models/new.GGUF", tinyModel(), 50)
  put(".pincer/models/half.gguf.part", "x")
  put(".pincer/models/deeper/none.gguf")
  put(".lmstudio/models/qwen/Qwen3-GGUF/qwen.gguf")
  put(".lmstudio/models/qwen/Qwen3-GGUF/old.gguf")
  put(".cache/llama.cpp/org_repo_file.gguf")
  assert.deepEqual(await named(places), ["new", "old", "lmstudio:old", "qwen", "org_repo_file"])
})

test("links of the Hugging Face cache are followed, one file counts once, and a link to nowhere does not count", async (t) => {
  const { root, put, places } = place(t)
  const blob = put(".cache/huggingface/hub/models--a--b/blobs/1234")
  for (const revision of ["r1", "r2"]) {
    mkdirSync(join(root, `.cache/huggingface/hub/models--a--b/snapshots/${revision}`), { recursive: true })
    symlinkSync(blob, join(root, `.cache/huggingface/hub/models--a--b/snapshots/${revision}/m.gguf`))
  }
  symlinkSync(join(root, "nowhere"), join(root, ".cache/huggingface/hub/models--a--b/snapshots/r1/gone.gguf"))
  symlinkSync(root, join(root, ".cache/huggingface/hub/models--a--b/snapshots/circle"))
  const models = await listModels(places)
  assert.deepEqual(
    models.map(({ name, from, bytes }) => [name, from, bytes > 400_000]),
    [["m", "huggingface", true]],
  )
})

test("parts count as one model, and as a broken one while a part is missing", async (t) => {
  const { put, places } = place(t)
  const second = put(".pincer/models/big-00002-of-00002.gguf")
  put(".pincer/models/big-00001-of-00002.gguf")
  const [model] = await listModels(places)
  assert.deepEqual([model?.name, model?.files.length, model?.problem], ["big", 2, undefined])
  rmSync(second)
  const [broken] = await listModels(places)
  assert.equal(broken?.problem, "parts are missing: big-00002-of-00002.gguf")
})

test("only what answers is suitable: no projector, no embeddings, nothing broken", async (t) => {
  const { put, places } = place(t)
  put(".pincer/models/broken.gguf", "not a model", 1)
  put(".pincer/models/mmproj-qwen.gguf", tinyModel(), 2)
  put(".pincer/models/embed.gguf", tinyModel({ texts: { "general.architecture": "bert" } }), 3)
  put(".pincer/models/works.gguf", tinyModel(), 4)
  const models = await listModels(places)
  assert.equal(models.length, 4)
  assert.equal(suitable(models)?.name, "works")
  assert.match(models.find(({ name }) => name === "broken")?.problem ?? "", /is not a GGUF file/)
})

test("only our own are removed", async (t) => {
  const { put, places } = place(t)
  put(".pincer/models/mine.gguf")
  put(".lmstudio/models/a/b/theirs.gguf")
  await assert.rejects(removeModel("theirs", places), { code: "PERMISSION_DENIED" })
  await assert.rejects(removeModel("nobody", places), { code: "NOT_FOUND" })
  await removeModel("mine", places)
  assert.deepEqual(await named(places), ["theirs"])
})

test("a file that is still the same is not read again; one that changed is", async (t) => {
  const { put, places } = place(t)
  put(".pincer/models/m.gguf", tinyModel(), 5)
  const first = (await listModels(places)).map((model) => ({ ...model, architecture: "remembered" }))
  assert.equal((await listModels(places, first))[0]?.architecture, "remembered")
  put(".pincer/models/m.gguf", tinyModel(), 4)
  assert.equal((await listModels(places, first))[0]?.architecture, "llama")
})

test("places of other programs move with their variables", () => {
  const moved = shelves("/h", "/u", { LLAMA_CACHE: "/l", HF_HOME: "/f" }, "linux")
  assert.deepEqual(
    moved.map(({ folder }) => folder),
    ["/h/models", "/u/.lmstudio/models", "/l", "/f/hub"],
  )
})
