// Seeded: the same lines each time. What is known of a line must be what a real shell makes of it; nothing throws; work is bounded.
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { test } from "node:test"
import { SHELL_BYPASSES } from "../../../test/corpus/shell-bypass.ts"
import { ALLOWED_LINES, READING_LINES } from "../../../test/corpus/shell-innocent.ts"
import { fill, shellRoom } from "../../../test/fakes/shell-room.ts"
import type { Disk } from "./disk.ts"
import { commandFacts } from "./facts.ts"
import { describe, matchesAll, offerFor, readsOnly } from "./match.ts"
import { whyAwkRuns, whySedRuns } from "./small-languages.ts"

/** Numbers from 0 to below `limit`, always the same ones for a seed. */
function dice(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

const PIECES = [
  ...[
    "a",
    "b",
    " ",
    " ",
    "'",
    '"',
    "\\",
    "$",
    "$x",
    "${x}",
    "#",
    "{",
    "}",
    "{a,b}",
    "~",
    "=",
    "!",
    "\n",
    "\t",
    "[",
    "]",
    "*",
    "?",
    "-",
  ],
  ...[
    "''",
    '""',
    "$'",
    "\\n",
    "\\'",
    '\\"',
    "\\\\",
    "\\\n",
    "你",
    ".",
    "..",
    ",",
    "/",
    ":",
    "@",
    "%",
    "^",
    "+",
    '"a b"',
    "'c d'",
    "$'\\t'",
  ],
]

test("the words of a line that is known are those that a real shell makes", async (t) => {
  const room = await shellRoom(t)
  const roll = dice(20_261_121)
  let compared = 0
  for (let round = 0; round < 4_000 && compared < 400; round++) {
    const text = Array.from({ length: 1 + roll(9) }, () => PIECES[roll(PIECES.length)]!).join("")
    const command = `printf '<%s>' ${text}`
    for (const shell of ["/bin/bash", "/bin/sh"]) {
      const facts = await room.facts(command, { shell })
      const [segment, ...others] = facts.segments
      if (facts.unknown.length > 0 || !segment || others.length > 0 || segment.redirections.length > 0) continue
      const words = segment.argv.slice(2)
      const env = { PATH: "/nowhere", HOME: "/nowhere/home", LANG: "C.UTF-8" }
      const told = execFileSync(shell, ["-c", command], { cwd: room.cwd, env, encoding: "utf8", stdio: "pipe" })
      const home = await commandFacts(command, { cwd: room.cwd, env, shell })
      const expected = (words.length === 0 ? [""] : home.segments[0]!.argv.slice(2)).map((word) => `<${word}>`).join("")
      assert.equal(told, expected, `${shell}: ${JSON.stringify(command)}`)
      compared++
    }
  }
  assert.ok(compared >= 200, `only ${compared} lines were known`)
})

/** A disk on which nothing is found but system programs; it counts what it is asked. */
function countingDisk(): Disk & { asked: number } {
  const found = async <T>(value: T): Promise<T> => {
    counted.asked++
    return value
  }
  const counted = {
    asked: 0,
    real: (path: string) =>
      found(path.startsWith("/usr/bin/") || path === "/bin/bash" || path === "/work" ? path : null),
    look: (path: string) => found(path.startsWith("/usr/bin/") ? ({ type: "file", executable: true } as const) : null),
    link: () => found(null),
    hash: () => found(null),
    read: () => found(null),
    list: () => found(null),
  }
  return counted
}

test("changed at random, no line of the corpus makes it throw or work without bound", async () => {
  const roll = dice(7)
  const lines = [...SHELL_BYPASSES, ...ALLOWED_LINES, ...READING_LINES].map((one) => fill(one.command, "/canary"))
  for (let round = 0; round < 3_000; round++) {
    const files = countingDisk()
    const command = mutated(lines[roll(lines.length)]!, lines[roll(lines.length)]!, roll)
    const facts = await commandFacts(command, { cwd: "/work", env: { PATH: "/usr/bin" }, shell: "/bin/bash", files })
    assert.ok(files.asked < 200 + command.length * 40, `${files.asked} questions for ${JSON.stringify(command)}`)
    assert.ok(facts.segments.length <= 200)
    const offer = offerFor(facts)
    assert.equal(offer === undefined || matchesAll(facts, offer), true, JSON.stringify(command))
    assert.ok(describe(facts).every((line) => typeof line === "string") && typeof readsOnly(facts) === "boolean")
  }
})

function mutated(line: string, other: string, roll: (limit: number) => number): string {
  let text = line
  for (let times = 1 + roll(4); times > 0; times--) {
    const at = roll(text.length + 1)
    const piece = PIECES[roll(PIECES.length)]!
    const kind = roll(5)
    if (kind === 0) text = text.slice(0, at) + piece + text.slice(at)
    else if (kind === 1) text = text.slice(0, at) + text.slice(at + 1 + roll(3))
    else if (kind === 2) text = text.slice(0, at) + other.slice(roll(other.length + 1))
    else if (kind === 3) text = `${text}${[";", "|", "&&", "\n", " "][roll(5)]}${other}`
    else text = text.slice(0, at) + text.slice(at, at + 5) + text.slice(at)
  }
  return text
}

test("lines made to be hard are given up, not worked on", async () => {
  const many = 20_000
  const hard: Record<string, string> = {
    long: `ls ${"a".repeat(70_000)}`,
    brackets: "(".repeat(many),
    substitutions: `ls ${"$(".repeat(many)}`,
    closed: `ls ${"$(".repeat(5_000)}ls${")".repeat(5_000)}`,
    braces: "{a,".repeat(many),
    quotes: `ls ${"'\"".repeat(many)}`,
    backticks: `ls ${"`".repeat(many)}`,
    documents: `${"cat <<E\n".repeat(5_000)}`,
    commands: "ls;".repeat(many),
    chain: `ls ${"&& ls ".repeat(10_000)}`,
    words: `ls ${"a ".repeat(30_000)}`,
    variables: "${x:-".repeat(10_000),
    arithmetic: `ls $((${"(".repeat(many)}1`,
    ifs: "if ".repeat(many),
    tests: `[[ ${"( ".repeat(many)}`,
    assignments: "a=1 ".repeat(10_000),
    redirections: `ls ${">a".repeat(10_000)}`,
    sed: `sed '${"/a".repeat(900)}p' x`,
  }
  for (const [name, command] of Object.entries(hard)) {
    const files = countingDisk()
    const facts = await commandFacts(command, { cwd: "/work", env: { PATH: "/usr/bin" }, shell: "/bin/bash", files })
    assert.ok(facts.unknown.length > 0 || facts.segments.some((one) => one.interprets !== null), name)
    assert.ok(files.asked < 200_000, `${name}: ${files.asked} questions`)
  }
})

test("text for sed and awk takes time in proportion to its length", () => {
  for (const text of ["/a\\", "s/a", "((((", "/[", "1,", "$,/"]) {
    assert.notEqual(whySedRuns([text.repeat(50_000)]), undefined)
    assert.equal(typeof whyAwkRuns([text.repeat(50_000)]), "undefined")
  }
})
