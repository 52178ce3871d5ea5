import assert from "node:assert/strict"
import { test } from "node:test"
import { readResult } from "./result.ts"

const PNG = `${Buffer.from("89504e470d0a1a0a", "hex").toString("base64").replace(/=+$/, "")}AAAA`

function textOf(result: Record<string, unknown>, maxChars = 1_000): string {
  const { content } = readResult(result, "s", maxChars)
  return content.map((part) => (part.type === "text" ? part.text : `<${part.mimeType}>`)).join("\n")
}

test("pictures are what their first bytes say; what models do not take is told in words", () => {
  const content = [
    { type: "image", mimeType: "image/gif", data: PNG },
    { type: "image", mimeType: "image/png", data: Buffer.from("no picture").toString("base64") },
    { type: "audio", mimeType: "audio/wav", data: "AAAA" },
    { type: "resource", resource: { uri: "file:///a", mimeType: "text/plain", text: "inside" } },
    { type: "resource", resource: { uri: "file:///b", mimeType: "application/zip", blob: "AAAAAAAA" } },
    { type: "resource", resource: { uri: "file:///c", mimeType: "image/png", blob: PNG } },
    { type: "resource_link", uri: "file:///d", name: "d", description: "the d" },
    { type: "hologram" },
    "nothing",
  ]
  assert.equal(
    textOf({ content }),
    [
      "[image image/png, 12 bytes: not shown]",
      "[audio audio/wav, 3 bytes: not shown]",
      "[resource file:///a]\ninside",
      "[resource file:///b, application/zip, 6 bytes: not shown]",
      "[resource file:///d (d: the d): not read]",
      "[content of the unknown kind hologram]",
      "[something that is no content]",
      "<image/png>",
      "<image/png>",
    ].join("\n"),
  )
})

test("text is capped over all parts, structured content is kept up to a few KB, errors stay errors", () => {
  const content = [1, 2, 3].map(() => ({ type: "text", text: "x".repeat(1_000) }))
  assert.ok(textOf({ content }, 500).length < 600)
  assert.equal(textOf({ structuredContent: { a: 1 } }), '{"a":1}')
  assert.equal(textOf({}), "(The tool answered with nothing.)")
  assert.deepEqual(readResult({ structuredContent: { a: 1 } }, "s", 10).details?.["structured"], { a: 1 })
  const big = readResult({ content, structuredContent: { a: "x".repeat(10_000) } }, "s", 10)
  assert.deepEqual(big.details, { mcpServer: "s", structuredChars: 10_008 })
  assert.equal(readResult({ content, isError: true }, "s", 10).isError, true)
  assert.equal(readResult({ content, isError: "yes" }, "s", 10).isError, false)
})

test("no more than eight pictures are handed on", () => {
  const content = Array.from({ length: 12 }, () => ({ type: "image", mimeType: "image/png", data: PNG }))
  const images = readResult({ content }, "s", 1_000).content.filter((part) => part.type === "image")
  assert.equal(images.length, 8)
})
