// The schema for editors says what the reader says: the same keys, and the same files.
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { parse } from "yaml"
import { SEEDS } from "../../test/fakes/fuzz-workflow.ts"
import { compileSchema } from "../base/json-schema.ts"
import { WORKFLOW_SCHEMA, workflowSchemaText } from "../protocol/workflow-schema.ts"
import { checkWorkflow } from "./check/check.ts"
import { commands } from "./commands/index.ts"
import { commandTable } from "./engine/pipeline.ts"
import { readWorkflow } from "./file/read.ts"

const ROOT = join(import.meta.dirname, "..", "..")
const EXAMPLES = join(ROOT, "examples", "workflows")

/** Keys that the source of the reader asks for: in calls of get(), text() and label(), and in its lists of kinds. */
function keysOfReader(): string[] {
  const keys = new Set<string>()
  for (const name of ["read.ts", "read-step.ts"]) {
    const source = readFileSync(join(import.meta.dirname, "file", name), "utf8")
    const calls = [...source.matchAll(/\b(?:get|text|label)\((?:members, )?((?:"[$\w]+"(?:, )?)+)\)/g)].map(
      ([, words]) => words!,
    )
    const lists = [...source.matchAll(/(?:const KINDS =|for \(const name of) \[([^\]]+)\]/g)].map(([, words]) => words!)
    for (const words of [...calls, ...lists]) for (const [, word] of words.matchAll(/"([$\w]+)"/g)) keys.add(word!)
  }
  return [...keys].toSorted()
}

/** Names of properties anywhere in the schema. */
function keysOfSchema(schema: unknown): string[] {
  const keys = new Set<string>()
  const look = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return
    const properties: unknown = Reflect.get(value, "properties")
    if (typeof properties === "object" && properties !== null) for (const key of Object.keys(properties)) keys.add(key)
    for (const inner of Object.values(value)) look(inner)
  }
  look(schema)
  return [...keys].toSorted()
}

test("the schema and the reader know the same keys", () => {
  assert.deepEqual(keysOfSchema(WORKFLOW_SCHEMA), keysOfReader())
})

test("the schema in the docs is this one", () => {
  const kept = readFileSync(join(ROOT, "docs", "workflows", "workflow.schema.json"), "utf8")
  assert.equal(
    kept,
    workflowSchemaText(),
    "run: npm run pincer -- workflow schema > docs/workflows/workflow.schema.json",
  )
})

test("sound files fit the schema, and what the reader refuses does not", () => {
  const check = compileSchema(WORKFLOW_SCHEMA)
  assert.equal(check(parse(SEEDS.file[0]!)), undefined)
  for (const broken of [
    "steps: []",
    "steps: [{ id: a }]",
    "steps: [{ run: x }]",
    "steps: [{ id: a, run: x, on_error: never }]",
    "steps: [{ id: a, run: x, retry: { max: 0 } }]",
    "steps: [{ id: a, input: { prompt: x } }]",
    "steps: [{ id: a, parallel: { branches: [] } }]",
    "steps: [{ id: a, http: { method: GET } }]",
    "cost_limit: {}\nsteps: [{ id: a, run: x }]",
  ]) {
    assert.ok(
      readWorkflow(broken).problems.some(({ level }) => level === "error"),
      broken,
    )
    assert.notEqual(check(parse(broken)), undefined, broken)
  }
  // What is a warning to the reader is marked while one types.
  assert.notEqual(check(parse("steps: [{ id: a, run: x, timeout: 5 }]")), undefined)
})

test("the examples have no problems and fit the schema", () => {
  const check = compileSchema(WORKFLOW_SCHEMA)
  const names = readdirSync(EXAMPLES).filter((name) => name.endsWith(".lobster"))
  assert.ok(names.length >= 3)
  for (const name of names) {
    const file = join(EXAMPLES, name)
    const text = readFileSync(file, "utf8")
    const problems = checkWorkflow(readWorkflow(text, file), { commands: commandTable(commands), cwd: EXAMPLES })
    assert.deepEqual(
      problems.map(({ message, place }) => `${name}:${place?.line}: ${message}`),
      [],
    )
    assert.equal(check(parse(text)), undefined, name)
  }
})
