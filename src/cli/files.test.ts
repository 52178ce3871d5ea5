import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import { mentioned, withFiles } from "./files.ts"

const cwd = mkdtempSync(join(tmpdir(), "pincer-files-"))
after(() => rmSync(cwd, { recursive: true }))
const where = { env: {}, cwd }
writeFileSync(join(cwd, "note.md"), "# Note\n```\ncode\n```\n")
writeFileSync(join(cwd, "笔记.txt"), "你好")
writeFileSync(join(cwd, "a b.txt"), "blank")
writeFileSync(join(cwd, "pic.png"), Buffer.from("89504e470d0a1a0a", "hex"))
writeFileSync(join(cwd, "raw.bin"), Buffer.from([0, 1, 2]))
mkdirSync(join(cwd, "folder"))

test("withFiles() puts text into the message in a fence that it cannot break, and attaches the rest", () => {
  const { message, attachments } = withFiles("Look", ["note.md", "pic.png", "raw.bin"], where)
  assert.equal(message, "Look\n\nnote.md:\n````\n# Note\n```\ncode\n```\n````")
  assert.deepEqual(
    attachments.map(({ mimeType, fileName }) => [mimeType, fileName]),
    [
      ["image/png", "pic.png"],
      ["application/octet-stream", "raw.bin"],
    ],
  )
})

test("withFiles() refuses folders, files that are not there, and files that are too large", () => {
  assert.throws(() => withFiles("", ["folder"], where), { code: "INVALID_PARAMS" })
  assert.throws(() => withFiles("", ["nothing"], where), { code: "NOT_FOUND" })
  const large = join(cwd, "large.bin")
  writeFileSync(large, "")
  truncateSync(large, 5_000_001)
  assert.throws(() => withFiles("", [large], where), { code: "TOO_LARGE" })
})

test("mentioned() finds files after @, not addresses of people", () => {
  assert.deepEqual(mentioned('see @note.md and @笔记.txt, @"a b.txt" @nothing me@note.md @folder', where), [
    "note.md",
    "a b.txt",
  ])
  assert.deepEqual(mentioned("@笔记.txt", where), ["笔记.txt"])
})
