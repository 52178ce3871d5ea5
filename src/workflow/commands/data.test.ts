// Commands that only look at their items, against what Lobster 2026.9.13 answered.
import assert from "node:assert/strict"
import { test } from "node:test"
import type { Command, CommandContext } from "../command.ts"
import { parsePipeline } from "../language/grammar.ts"
import { dedupe } from "./dedupe.ts"
import { groupBy } from "./group-by.ts"
import { head } from "./head.ts"
import { Listed } from "./items.ts"
import { json } from "./json.ts"
import { map } from "./map.ts"
import { pick } from "./pick.ts"
import { sort } from "./sort.ts"
import { table } from "./table.ts"
import { template } from "./template.ts"
import { where } from "./where.ts"

const COMMANDS = new Map(
  [dedupe, groupBy, head, json, map, pick, sort, table, template, where].map((one): [string, Command] => [
    one.name,
    one,
  ]),
)

/** With items that come one by one and with such that are all there: what comes of them is the same. */
async function run(text: string, items: readonly unknown[]): Promise<Ran> {
  const whole = await runWith(text, items, (from) => (Symbol.asyncIterator in from ? from : new Listed([...from])))
  const ran = await runWith(text, items, async function* (from) {
    yield* from
  })
  assert.deepEqual(whole, ran)
  return ran
}

interface Ran {
  items: unknown[]
  printed: string
}

type Stream = Iterable<unknown> | AsyncIterable<unknown>

async function runWith(
  text: string,
  items: readonly unknown[],
  handed: (from: Stream) => AsyncIterable<unknown>,
): Promise<Ran> {
  let printed = ""
  const context = { cwd: import.meta.dirname, print: (more: string) => (printed += more) } as unknown as CommandContext
  let stream: Stream = structuredClone(items)
  for (const stage of parsePipeline(text)) {
    const result = await COMMANDS.get(stage.name)!.run({ items: handed(stream), args: stage.args }, context)
    stream = result.items ?? []
  }
  const out: unknown[] = []
  for await (const item of stream) out.push(item)
  return { items: out, printed }
}

const D = [
  {
    a: [1, 2],
    s: "héllo wörld",
    n: 3.21659,
    d: 1_700_000_000_000,
    ds: "1700000000000",
    o: { k: { z: 1 } },
    z: null,
    t: true,
    e: "",
  },
]
const K = [
  { k: 2, i: 0 },
  { k: "10", i: 1 },
  { i: 2 },
  { k: 1, i: 3 },
  { k: null, i: 4 },
  { k: "a", i: 5 },
  { k: { x: 1 }, i: 6 },
  { k: true, i: 7 },
  5,
  null,
  "str",
  [1],
]
const M = [3, 10, 1, null, "b", "a", { k: 2 }, { k: 1 }, [1], true]
const numbers = (items: unknown[]) => items.map((item) => (item as { i?: number } | null)?.i ?? item)

test("template fills in values and filters", async () => {
  const rows: [string, string][] = [
    [
      "{{a.length}}|{{s.length}}|{{a.0}}|{{a}}|{{this.s}}|{{z}}|{{t}}|{{e}}|{{o..k.z}}|{{ o.k }}",
      '2|11|1|[1,2]|||true||1|{"z":1}',
    ],
    [
      '{{n | round 2}} {{n|round}} {{s|round}} {{d | date}} {{ds | date "YYYY/MM/DD HH:mm:ss"}} {{s|date}}',
      "3.22 3 héllo wörld 2023-11-14T22:13:20.000Z 2023/11/14 22:13:20 héllo wörld",
    ],
    [
      '{{zz | default "x y"}} {{e | default q}} {{z|default 1}} {{a | join "-"}} {{a|join}} {{s|join}} {{s | upper}} {{n|upper}} {{s | truncate 3}} {{s|truncate}}',
      "x y q 1 1-2 1, 2 héllo wörld HÉLLO WÖRLD 3.21659 hél... héllo wörld",
    ],
    [
      '{{s|split "l"|json}} {{a|first}} {{a|last}} {{s|first}} {{s|length}} {{a|length}} {{o|length}} {{z|length}} {{n|length}}',
      '[\n  "hé",\n  "",\n  "o wör",\n  "d"\n] 1 2 héllo wörld 11 2 0 0 0',
    ],
    [
      '{{s | replace "l" "L"}} {{s|replace l}} {{a|string}} {{o|string}} {{ nope }} {{z|json}} {{zz|json}} {{s|trim|upper|lower}}',
      "héLLo wörLd héo wörd 1,2 [object Object]  null  héllo wörld",
    ],
    ["{{}} a {{s", "{{}} a {{s"],
    ["{{s | truncate x}} {{s|default}} {{a|upper}} {{n|split .|last}}", "héllo wörld héllo wörld 1,2 21659"],
    ["{{constructor}}{{a.constructor}}{{__proto__}}", ""],
  ]
  for (const [text, expected] of rows)
    assert.deepEqual((await run(`template --text '${text}'`, D)).items, [expected], text)
  await assert.rejects(run("template --text '{{n | nofilter}}'", D), /Unknown template filter "nofilter".*upper/)
  await assert.rejects(run("template", D), /--text/)
  assert.deepEqual((await run("template hello {{s}} x", D)).items, ["hello héllo wörld x"])
  assert.deepEqual((await run("template [{{.}}]", M)).items, [
    "[3]",
    "[10]",
    "[1]",
    "[]",
    "[b]",
    "[a]",
    '[{"k":2}]',
    '[{"k":1}]',
    "[[1]]",
    "[true]",
  ])
  assert.deepEqual((await run("template '{{s|truncate 3}}'", [{ s: "一二🙂四" }])).items, ["一二..."])
})

test("where compares as JavaScript does, but nothing is not less than something", async () => {
  const rows: [string, unknown[]][] = [
    ["where k=2", [0]],
    ["where k==10", [1]],
    ["where k!=2", [1, 2, 3, 4, 5, 6, 7, 5, null, "str", [1]]],
    ["where k<5", [0, 3, 7]],
    ["where k=null", [2, 4, 5, null, "str", [1]]],
    ["where k=true", [3, 7]],
    ["where 'k >= 2'", [0, 1]],
    ['where k="a"', [5]],
    ["where k.x=1", [6]],
  ]
  for (const [text, expected] of rows) assert.deepEqual(numbers((await run(text, K)).items), expected, text)
  assert.equal((await run("where 's=héllo wörld'", D)).items.length, 1)
  assert.equal((await run("where 名=王", [{ 名: "王" }, { 名: "李" }])).items.length, 1)
  for (const text of ["where", "where foo", "where k = 2"]) await assert.rejects(run(text, K), /where/, text)
})

test("pick, head, sort, dedupe and groupBy", async () => {
  const rows: [string, unknown[], unknown][] = [
    ["pick i,zz,k | head --n 3", K, [{ i: 0, k: 2 }, { i: 1, k: "10" }, { i: 2 }]],
    ["pick 'i, k' | head --n 1", K, [{ i: 0, k: 2 }]],
    ["pick o.k", D, [{}]],
    ["pick __proto__", [JSON.parse('{"__proto__":{"x":1}}')], [JSON.parse('{"__proto__":{"x":1}}')]],
    ["head --n 0", M, []],
    ["head --n 1.5", M, [3, 10]],
    ["head --n", M, [3]],
    ["sort", M, [1, [1], 3, 10, { k: 2 }, { k: 1 }, "a", "b", true, null]],
    ["sort --desc", M, [true, "b", "a", { k: 2 }, { k: 1 }, 10, 3, 1, [1], null]],
    ["dedupe", [1, 2, 1, null, {}, {}], [1, 2, null, {}]],
    ["dedupe --key o.k", K, [K[0]]],
  ]
  for (const [text, items, expected] of rows) assert.deepEqual((await run(text, items)).items, expected, text)
  assert.deepEqual(numbers((await run("sort --key k", K)).items), [3, 1, 0, 6, 5, 7, 2, 4, 5, null, "str", [1]])
  const groups = (await run("groupBy --key k", K)).items as { key: unknown; count: number }[]
  assert.deepEqual(
    groups.map((group) => [group.key, group.count]),
    [
      [2, 1],
      ["10", 1],
      [undefined, 5],
      [1, 1],
      [null, 1],
      ["a", 1],
      [{ x: 1 }, 1],
      [true, 1],
    ],
  )
  for (const text of ["groupBy", "pick", "head --n x", "head --n -1", "map --wrap a --unwrap b"])
    await assert.rejects(run(text, K), text)
})

test("map wraps, unwraps and sets fields, and leaves the item that came as it was", async () => {
  assert.deepEqual((await run("map --wrap w | head --n 1", K)).items, [{ w: { k: 2, i: 0 } }])
  assert.deepEqual((await run("map --unwrap k", K)).items, [
    2,
    "10",
    null,
    1,
    null,
    "a",
    { x: 1 },
    true,
    null,
    null,
    null,
    null,
  ])
  assert.deepEqual((await run("map a={{i}} b={{k}}x c=lit =v k | head --n 9 | sort --key a", K)).items[1], {
    k: 2,
    i: 0,
    a: "0",
    b: "2x",
    c: "lit",
  })
  assert.deepEqual((await run("map x.y=1 | pick x,x.y", D)).items, [{ "x.y": "1" }])
  assert.deepEqual((await run("map a={{.}}", [5])).items, [{ value: 5, a: "5" }])
})

test("json and table show and yield nothing", async () => {
  assert.deepEqual(await run("json", [5]), { items: [], printed: "[\n  5\n]\n" })
  assert.equal((await run("table", M)).printed, '3\n10\n1\n\nb\na\n{"k":2}\n{"k":1}\n[1]\ntrue\n')
  assert.equal((await run("table", [])).printed, "(no results)\n")
  assert.equal(
    (await run("table", [{ a: 1, b: "x\ny" }, { c: { d: 1 } }])).printed,
    'a    b    c      \n---  ---  -------\n1    x y         \n          {"d":1}\n',
  )
})
