// Runs a workflow from a program: a command of its own, a gate, and the answer. Nothing but Node and Pincer is needed: node examples/workflow-library.mjs
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { answerWorkflow, runWorkflow } from "pincer/workflow"

const home = mkdtempSync(join(tmpdir(), "pincer-example-"))

/** A command that only this program knows. */
const greet = {
  name: "greet",
  description: "Greets each item",
  args: {},
  examples: [],
  sideEffects: [],
  effect: "read",
  async run({ items }) {
    const greetings = []
    for await (const item of items) greetings.push(`Hello, ${item}`)
    return { items: greetings }
  },
}

const place = { home, cwd: home, env: { HOME: home }, commands: [greet] }
const definition = {
  name: "greetings",
  steps: [
    { id: "greet", stdin: ["Ann", "Bob"], pipeline: "greet" },
    { id: "look", stdin: "$greet.json", approval: "Send these?" },
    { id: "sent", stdin: "$greet.json", pipeline: "head --n 1" },
  ],
}

const asked = await runWorkflow({ ...place, definition })
console.log(asked.status, asked.requiresApproval.items)
const done = await answerWorkflow(asked.requiresApproval.resumeToken, { type: "approve", approved: true, by: "you" }, place)
console.log(done.status, done.output, done.counts)
rmSync(home, { recursive: true, force: true })
