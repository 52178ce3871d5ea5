// Stands for node-llama-cpp: a package in a folder with the few things of it that are used. What it answers is in the last message of the
// user: "crash" ends the process, "forever" goes on until it is stopped, "call NAME {…}" calls a function, anything else is said back.
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const MODULE = `
import { writeSync } from "node:fs"
export async function getLlama(options) {
  if (options.build !== "never" || !options.skipDownload || !(options.maxThreads >= 1)) throw new Error("unsafe options")
  writeSync(1, "a line of the engine's own\\n")
  return {
    async loadModel({ modelPath }) {
      if (modelPath.includes("unloadable")) throw new Error("no such tensor")
      if (modelPath.includes("heavy")) process.abort()
      if (modelPath.includes("endless")) await new Promise(() => setInterval(() => {}, 1000))
      return {
        trainContextSize: 4096,
        tokenize: (text) => text.split(/\\s+/),
        async createContext({ contextSize, threads }) {
          if (!(threads >= 1) || contextSize.min < 1024) throw new Error("unsafe context")
          const sequence = { contextSize: contextSize.max, nextTokenIndex: 0, used: 0 }
          sequence.tokenMeter = { getState: () => 0, diff: () => ({ usedInputTokens: 7, usedOutputTokens: sequence.used }) }
          return { contextSize: contextSize.max, getSequence: () => sequence }
        },
      }
    },
    async createGrammarForJsonSchema(schema) {
      return { schema }
    },
  }
}
export class LlamaChat {
  constructor({ contextSequence }) {
    this.sequence = contextSequence
  }
  async generateResponse(history, { onResponseChunk, signal, grammar, functions }) {
    const asked = history.filter((one) => one.type === "user").at(-1)?.text ?? ""
    const say = (text, segmentType) => {
      this.sequence.used += 1
      this.sequence.nextTokenIndex = 10 + this.sequence.used
      onResponseChunk({ text, segmentType })
    }
    this.sequence.used = 0
    if (asked === "crash") {
      say("half")
      process.stderr.write("the engine fell over\\n")
      setTimeout(() => process.kill(process.pid, "SIGKILL"), 20)
      await new Promise(() => {})
    }
    if (asked === "forever") {
      say("begun")
      await new Promise((resolve) => signal.addEventListener("abort", resolve))
      return { response: "begun", metadata: { stopReason: "abort" } }
    }
    if (grammar) {
      const response = JSON.stringify({ name: grammar.schema.properties.name?.const, arguments: { path: "/给我", line: null } })
      say(response)
      return { response, metadata: { stopReason: "eogToken" } }
    }
    const call = /^call (\\w+) (.*)$/.exec(asked)
    if (call && functions?.[call[1]] && history.at(-1).response.length === 0) {
      const made = { functionName: call[1], params: JSON.parse(call[2]) }
      return { response: "", functionCalls: [made], metadata: { stopReason: "functionCalls" } }
    }
    say("hm", "thought")
    const response = call ? "the result was " + history.at(-1).response[0].result : "you said " + asked
    for (const word of response.split(/(?<= )/)) say(word)
    return { response, metadata: { stopReason: "eogToken" } }
  }
}
`

/** The package below `folder`; returns its own folder. */
export function fakeEngine(folder: string, version = "3.22.1"): string {
  const path = join(folder, "node_modules", "node-llama-cpp")
  mkdirSync(join(path, "dist"), { recursive: true })
  writeFileSync(join(path, "package.json"), JSON.stringify({ name: "node-llama-cpp", version, type: "module" }))
  writeFileSync(join(path, "dist", "index.js"), MODULE)
  return path
}

/** A program that takes the arguments of llama-server that are used, and answers like it. Returns its path. */
export function fakeLlamaServer(folder: string): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, "llama-server")
  writeFileSync(
    path,
    `#!${process.execPath}
const { createServer } = require("node:http")
const { readFileSync } = require("node:fs")
const { parseArgs } = require("node:util")
const text = { type: "string" }
const names = ["model", "alias", "host", "port", "threads", "ctx-size", "parallel", "api-key-file"]
const { values } = parseArgs({ options: { ...Object.fromEntries(names.map((name) => [name, text])), jinja: { type: "boolean" } } })
const key = readFileSync(values["api-key-file"], "utf8").trim()
if (values.model.includes("unloadable")) process.exit(7)
createServer((request, response) => {
  if (request.url === "/health") return void response.writeHead(200).end("{}")
  if (request.headers.authorization !== "Bearer " + key) return void response.writeHead(401).end("{}")
  if (request.url === "/v1/models") return void response.writeHead(200).end(JSON.stringify({ data: [{ id: values.alias }] }))
  response.writeHead(200, { "content-type": "text/event-stream" })
  const chunk = { choices: [{ index: 0, delta: { content: "from " + values.alias }, finish_reason: "stop" }] }
  response.end("data: " + JSON.stringify(chunk) + "\\n\\ndata: [DONE]\\n\\n")
}).listen(Number(values.port), values.host)
`,
  )
  chmodSync(path, 0o755)
  return path
}
