// What the readers of workflows must hold for any text: no crash but the refusals that they are meant to give, nothing that reaches a prototype,
// places inside of the file. Texts are made by changing sound ones with a seeded random.
import assert from "node:assert/strict"
import { PincerError } from "../../src/base/errors.ts"
import { checkWorkflow } from "../../src/workflow/check/check.ts"
import { commands as builtIn } from "../../src/workflow/commands/index.ts"
import type { Problem } from "../../src/workflow/definition.ts"
import { commandTable } from "../../src/workflow/engine/pipeline.ts"
import { UnreadableText } from "../../src/workflow/failure.ts"
import { readWorkflow } from "../../src/workflow/file/read.ts"
import { holds, parseCondition, referencesIn } from "../../src/workflow/language/condition.ts"
import { parsePipeline } from "../../src/workflow/language/grammar.ts"
import { at, fill, fillPlain } from "../../src/workflow/language/item-template.ts"
import { expand, expandArguments, shellQuoted, templatesIn } from "../../src/workflow/language/template.ts"

export const TARGETS = ["pipeline", "condition", "template", "item", "file", "json"] as const
export type Target = (typeof TARGETS)[number]

const RESULTS = new Map([
  ["a", { id: "a", stdout: "text $b.json", json: { n: 5, list: [1, { x: null }], __proto__: null } }],
  ["b", { id: "b", json: [1, 2, 3], approved: true }],
  ["c", { id: "c", skipped: true }],
])
const SCOPE = { args: { who: `ann \${who} $a.json`, n: 5, list: ["x"], deep: { k: [1] } }, results: RESULTS }
const ITEMS: readonly unknown[] = [{ a: { b: [1, "{{a}}"] }, name: "x", __proto__: null }, "text", 7, null, [1, 2]]

/** Sound texts to begin with. */
export const SEEDS: Readonly<Record<Target, readonly string[]>> = {
  pipeline: [
    `exec --json gh pr list --json number,title | where 'state == "open"' | pick number,title | head --n 5`,
    `exec --shell "echo 'a | b' && ls" | json | approve --prompt 'Send "all"?' --preview-from-stdin`,
    "map --wrap item | group-by --key=a.b | sort --desc --key n | dedupe | table",
  ],
  condition: [
    `$a.json.n == 5 && ($b.approved || !$c.skipped) && $a.stdout != 'x "y"'`,
    "$a.json.list.0 >= 1.5e3 || $b.json.length < -2",
    "not $a.error and true or false",
  ],
  template: [
    `echo \${who} $a.json.n \${list} $b.json.0 $$ \\\${n} $unknown.x $a.stdout`,
    `{"x": "\${deep}", "y": $a.json}`,
    "$a.json",
  ],
  item: ["{{name}}: {{a.b.0}} and {{.}} {{ a . b }}", "{{#each}}{{x}}", `plain $a.json \${n}`],
  file: [
    `name: one
args: { who: { default: you, type: string, enum: [you, me] }, n: { type: integer, required: true } }
env: { A: "1" }
cost_limit: { max_usd: 1, action: stop }
steps:
  - id: a
    run: echo \${who} $LOBSTER_ARG_WHO
    retry: { max: 3, backoff: exponential, delay_ms: 5, jitter: true }
    output: { schema: { type: object, properties: { n: { type: integer } } } }
  - { id: b, pipeline: "head --n 5 | where 'n > 5'", stdin: $a.json, when: "$a.json.n == 5" }
  - id: each
    for_each: $b.json
    item_var: one
    concurrency: 4
    steps: [{ id: do, tool: Read, tool_args: { path: "\${who}" } }, { id: ok, approval: { prompt: Go?, items: [1] } }]
  - id: both
    parallel: { wait: any, timeout_ms: 5, branches: [{ id: l, argv: [a, b] }, { id: r, agent: { message: hi, schema: {} } }] }
  - { id: q, input: { prompt: Which?, responseSchema: { type: object } }, needs: [a, both] }
  - { id: h, http: { url: "https://example.org/$a.json", method: POST, headers: { A: b }, body: { x: 1 } }, effect: read }
  - { id: s, workflow: ./other.lobster, workflow_args: { n: 5 }, on_error: continue, idempotency_key: "k-\${n}" }
finally: [{ id: z, run: x }]
on_failure: [{ id: y, run: x }]
`,
    "base: &b { id: x, run: echo }\nsteps:\n  - *b\n  - { <<: *b, id: y }\n  - id: |\n      text\n    run: >-\n      more\n      text\n",
  ],
  json: [
    '{"name":"j","steps":[{"id":"a","run":"echo","when":true},{"id":"b","for_each":"$a.json","steps":[{"id":"c","argv":["x",1,true]}]}]}',
  ],
}

const PIECES: readonly string[] = [
  ...[
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "hasOwnProperty",
    "length",
    "$a",
    "$a.json",
    `\${who}`,
    "${",
    "{{",
    "}}",
    "{{.}}",
  ],
  ...[
    "|",
    "||",
    "&&",
    "!",
    "(",
    ")",
    '"',
    "'",
    "\\",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\u0000",
    "\ufeff",
    "\u2028",
    "😀",
    "\ud800",
    "中",
    ":",
    "- ",
    "? ",
  ],
  ...[
    "&x ",
    "*x",
    "<<: *x",
    "!!binary ",
    "!<tag> ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "[",
    "]",
    "{",
    "}",
    ",",
    "#",
    "|-\n",
    ">+\n",
    "null",
    "~",
  ],
  ...[
    "1e999",
    "-0",
    "0x1f",
    "NaN",
    "9007199254740993",
    "steps:",
    "id:",
    "run:",
    "when:",
    "parallel:",
    "for_each:",
    "needs: [a]",
    "__proto__: { x: 1 }",
  ],
]

/** A text that is somewhere between sound and broken. */
export function mutated(random: () => number, seeds: readonly string[]): string {
  const any = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  let text = any(seeds)
  const changes = 1 + Math.floor(random() * random() * 12)
  for (let i = 0; i < changes && text.length < 60_000; i++) {
    const from = Math.floor(random() * (text.length + 1))
    const to = Math.min(text.length, from + Math.floor(random() * random() * 40))
    const piece = text.slice(from, to)
    switch (Math.floor(random() * 7)) {
      case 0:
        text = text.slice(0, from) + text.slice(to)
        break
      case 1:
        text = text.slice(0, from) + any(PIECES) + text.slice(from)
        break
      case 2:
        text = text.slice(0, from) + any(PIECES) + text.slice(to)
        break
      case 3:
        text = text.slice(0, to) + piece + text.slice(to)
        break
      case 4:
        text = text.slice(0, from) + String.fromCharCode(Math.floor(random() * 0x3000)) + text.slice(from + 1)
        break
      case 5: {
        const other = any(seeds)
        text = text.slice(0, from) + other.slice(Math.floor(random() * other.length))
        break
      }
      case 6: {
        const what = random() < 0.5 ? any(PIECES) : piece
        const times = Math.floor(10 ** (random() * 4))
        text =
          text.slice(0, from) + what.repeat(Math.min(times, Math.ceil(30_000 / (what.length || 1)))) + text.slice(from)
        break
      }
    }
  }
  return text
}

const commands = commandTable(builtIn)

/** Throws when what must hold does not. */
export function tryText(target: Target, text: string): void {
  switch (target) {
    case "pipeline":
      meant(() => {
        for (const { offset, args } of parsePipeline(text)) {
          assert.ok(offset >= 0 && offset <= text.length, "a stage's place")
          sound(args)
        }
      })
      break
    case "condition":
      meant(() => {
        const condition = parseCondition(text)
        for (const { offset } of referencesIn(condition))
          assert.ok(offset >= 0 && offset < text.length, "a reference's place")
        holds(condition, RESULTS)
      })
      break
    case "template":
      meant(() => expand(text, SCOPE))
      meant(() => expand(text, SCOPE, shellQuoted))
      meant(() => expandArguments(text, SCOPE.args))
      meant(() => templatesIn(text))
      break
    case "item":
      for (const item of ITEMS) {
        meant(() => fill(text, item))
        meant(() => fillPlain(text, item))
        meant(() => at(item, text))
      }
      break
    case "file":
      tryFile(text, "/nowhere/test.lobster")
      break
    case "json":
      tryFile(text, "/nowhere/test.json")
      break
  }
  untouched()
}

function tryFile(text: string, file: string): void {
  const read = readWorkflow(text, file)
  const problems = checkWorkflow(read, { commands, cwd: "/nowhere", mayRead: () => false })
  const lines = text.split(/\r\n|\n|\r/)
  for (const problem of [...read.problems, ...problems]) inside(problem, text, lines)
  if (!read.definition)
    assert.ok(
      problems.some(({ level }) => level === "error"),
      "nothing was read, and no word why",
    )
  sound(read.definition)
}

function inside({ message, place }: Problem, text: string, lines: readonly string[]): void {
  assert.ok(message.trim() !== "", "an empty message")
  assert.ok(message.length < 5_000, "a message that is a file of its own")
  if (!place) return
  const { column, line } = place
  assert.ok(Number.isInteger(line) && line >= 1 && line <= lines.length, `line ${line} of ${lines.length}: ${message}`)
  assert.ok(Number.isInteger(column) && column >= 1 && column <= text.length + 2, `column ${column}: ${message}`)
}

/** Refusals are fine; anything else is a crash. */
function meant(act: () => unknown): void {
  try {
    act()
  } catch (error) {
    if (!(error instanceof UnreadableText) && !(error instanceof PincerError)) throw error
    assert.ok(error.message.length < 5_000, "a message that is a file of its own")
  }
}

/** Plain data all the way down: no object whose prototype came out of the text. */
function sound(value: unknown): void {
  const open: unknown[] = [value]
  for (let one = open.pop(); open.length > 0 || one !== undefined; one = open.pop()) {
    if (typeof one !== "object" || one === null) continue
    const prototype: unknown = Object.getPrototypeOf(one)
    const plain = prototype === Object.prototype || prototype === Array.prototype || prototype === null
    assert.ok(plain, "a prototype out of the text")
    for (const inner of Object.values(one)) if (inner !== undefined && inner !== null) open.push(inner)
  }
}

const BEFORE = [Object.prototype, Array.prototype, String.prototype, Function.prototype].map(
  (one) => Reflect.ownKeys(one).length,
)

function untouched(): void {
  const now = [Object.prototype, Array.prototype, String.prototype, Function.prototype].map(
    (one) => Reflect.ownKeys(one).length,
  )
  assert.deepEqual(now, BEFORE, "a prototype was changed")
}
