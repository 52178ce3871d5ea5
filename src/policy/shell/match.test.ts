import assert from "node:assert/strict"
import { test } from "node:test"
import { shellRoom } from "../../../test/fakes/shell-room.ts"
import { describe, matchesAll, matchesEntry, needsNoEntry, offerFor, readsOnly } from "./match.ts"
import { literalPattern, matchesWord } from "./pattern.ts"
import { filesOf } from "./touched.ts"

const GREP = "/usr/bin/grep"

/** Entry, line, whether its first segment is allowed by it. */
const ENTRIES: readonly [entry: string[], line: string, allowed: boolean][] = [
  [[GREP, "a", "x"], "grep a x", true],
  [[GREP, "a", "x"], "grep a y", false],
  [[GREP, "a", "x"], "grep a", false],
  [[GREP, "a", "x"], "grep a x y", false],
  [[GREP, "*", "x"], "grep anything x", true],
  [[GREP, "*", "x"], "grep x", false],
  [[GREP, "-*", "src/*.ts"], "grep -n src/app.ts", true],
  [[GREP, "-*", "src/*.ts"], "grep n src/app.ts", false],
  [[GREP, "a", "**"], "grep a", true],
  [[GREP, "a", "**"], "grep a b c", true],
  [[GREP, "a", "**"], "grep b c", false],
  [[GREP, "**"], "grep a $x", false],
  [[GREP, "**"], "grep a *", false],
  [[GREP, "\\*"], "grep '*'", true],
  [[GREP, "\\*"], "grep x", false],
  [["grep", "**"], "grep a", false],
  [["/usr/bin/gre", "**"], "grep a", false],
  [["/usr/bin/*", "**"], "grep a", true],
  [[GREP, "**"], "LC_ALL=C grep a", true],
  [[GREP, "**"], "PATH=/x grep a", false],
  [[GREP, "**"], "LD_PRELOAD=x grep a", false],
  [[GREP, "**"], "FOO=1 grep a", false],
  [[GREP, "**"], "grep a > out", false],
  [[GREP, "**"], "grep a >> out", false],
  [[GREP, "**"], "grep a 2> /dev/null", true],
  [[GREP, "**", ">*/out"], "grep a > out", true],
  [[GREP, "**", ">*/out"], "grep a > other", false],
  [[GREP, "a"], "grep a < notes.txt", true],
  [[GREP, "a"], "grep a < /etc/hostname", false],
  [[GREP, "**"], "grep a < /etc/hostname", true],
  [["/usr/bin/env", "**"], "env -S 'ls'", false],
  [["/usr/bin/find", "**"], "find . -name x", true],
  [["/usr/bin/find", "**"], "find . -exec ls {} +", false],
  [["/usr/bin/bash", "**"], "bash -c ls", false],
  [["/usr/bin/git", "**"], "git -c a.b=c log", false],
  [["/usr/bin/git", "**"], "git log", true],
  [["/usr/bin/xargs", "**"], "xargs ls", false],
]

test("an entry allows exactly what it says", async (t) => {
  const room = await shellRoom(t)
  for (const [entry, line, allowed] of ENTRIES) {
    const [segment] = (await room.facts(line)).segments
    assert.ok(segment, line)
    assert.equal(matchesEntry(segment, entry), allowed, `${entry.join(" ")}: ${line}`)
  }
})

test("scripts ride on an entry by their content only", async (t) => {
  const room = await shellRoom(t)
  const facts = await room.facts("node script.js")
  const [segment] = facts.segments
  assert.ok(segment?.program)
  const { sha256 } = segment.scripts.at(-1)!
  assert.equal(matchesEntry(segment, [segment.program, "script.js"]), false)
  assert.equal(matchesEntry(segment, [segment.program, "**"]), false)
  assert.equal(matchesEntry(segment, [segment.program, "script.js", `sha256:${sha256}`]), true)
  assert.equal(matchesEntry(segment, [segment.program, "script.js", "sha256:*"]), true)
  const offer = offerFor(facts)
  assert.deepEqual(offer, [[segment.program, "script.js", `sha256:${sha256}`]])
  await room.lay([{ path: "script.js", content: "other" }])
  assert.equal(matchesAll(await room.facts("node script.js"), offer!), false)
})

test("a line is allowed when each of its parts is", async (t) => {
  const room = await shellRoom(t)
  const entries = [[GREP, "**"]]
  const allowed = async (line: string) => matchesAll(await room.facts(line), entries)
  assert.equal(await allowed("grep a x && grep b y | grep c"), true)
  assert.equal(await allowed("grep a x; ls"), false)
  assert.equal(await allowed("timeout 5 grep a x"), true)
  assert.equal(await allowed("timeout 5 ls"), false)
  assert.equal(await allowed("echo hello; grep a x"), true)
  assert.equal(await allowed("echo hello > x; grep a x"), false)
  assert.equal(await allowed("grep $(grep a x) y"), false)
  assert.equal(await allowed(""), false)
  assert.equal(await allowed("# nothing"), false)
})

test("what is offered covers the line and nothing else", async (t) => {
  const room = await shellRoom(t)
  const offered = async (line: string) => offerFor(await room.facts(line))
  assert.deepEqual(await offered("grep 'a*' x | cat -n"), [
    [GREP, "a\\*", "x"],
    ["/usr/bin/cat", "-n"],
  ])
  assert.deepEqual(await offered("timeout 5 git status"), [["/usr/bin/git", "status"]])
  assert.deepEqual(await offered("cat notes.txt > out"), [["/usr/bin/cat", "notes.txt", `>${room.cwd}/out`]])
  for (const line of ["bash -c ls", "cat $x", "ls *", "FOO=1 ls", "cd", "ls $(id)", "ls | xargs cat", "nosuchprogram"])
    assert.equal(await offered(line), undefined, line)
  assert.equal(matchesAll(await room.facts("grep abc x"), (await offered("grep 'a*' x"))!), false)
  assert.equal(matchesAll(await room.facts("cat '**'"), (await offered("cat '**'"))!), true)
  assert.equal(matchesAll(await room.facts("cat a b"), (await offered("cat '**'"))!), false)
  assert.equal(matchesAll(await room.facts("cat sha256:a"), (await offered("cat sha256:a"))!), true)
  assert.equal(matchesAll(await room.facts("cat"), (await offered("cat sha256:a"))!), false)
})

test("options that write, set or run take a program off the readers", async (t) => {
  const { facts } = await shellRoom(t)
  for (const line of [
    ...[
      "sort -o x notes.txt",
      "sort --outp=x notes.txt",
      "date -s now",
      "date 01010101",
      "git branch x",
      "git tag x",
      "git diff --output=x",
    ],
    ...[
      "git log --ext-diff",
      "ls > x",
      "cat notes.txt | tee x",
      "FOO=1 ls",
      "find . -name x",
      "sed -n p notes.txt",
      "tree -o x",
      "./ls",
    ],
    ...[
      "git stash",
      "git remote add x y",
      "uname x",
      "cat $x",
      "ls *",
      "touch x",
      "node script.js",
      "npm test",
      "uniq a b",
      "file -C",
    ],
  ])
    assert.equal(readsOnly(await facts(line)), false, line)
})

test("a builtin needs an entry as soon as it does more than print", async (t) => {
  const { facts } = await shellRoom(t)
  const free = async (line: string) => {
    const { segments, unknown } = await facts(line)
    return unknown.length === 0 && segments.every(needsNoEntry)
  }
  for (const line of [
    "echo a",
    "true",
    "pwd",
    "cd src",
    "[ -f x ]",
    "printf %s a",
    "exit 1",
    "set -e",
    "export LC_ALL=C",
  ])
    assert.equal(await free(line), true, line)
  for (const line of [
    "echo a > x",
    "eval ls",
    "kill 1",
    "export PATH=x",
    "printf -v x a",
    "read x",
    "trap ls EXIT",
    "unset PATH",
  ])
    assert.equal(await free(line), false, line)
})

test("people see what would run, what it runs, and what is not known", async (t) => {
  const { facts, cwd } = await shellRoom(t)
  assert.deepEqual(describe(await facts("git status > out")), [`/usr/bin/git status > ${cwd}/out`])
  assert.match(describe(await facts("sh -c 'rm x'")).join(), /^\/usr\/bin\/\w+ -c "rm x" \(runs code: sh -c\)$/)
  assert.deepEqual(describe(await facts("cat $x")), ["/usr/bin/cat …", "not known before it runs: the value of $x"])
})

test("the files of a line are told apart by what happens to them", async (t) => {
  const { facts, cwd } = await shellRoom(t)
  const files = filesOf(await facts("cat notes.txt < data.json > out 2>/dev/null; cp README.md src/x"))
  assert.deepEqual(files, {
    reads: [`${cwd}/data.json`, `${cwd}/notes.txt`],
    writes: [`${cwd}/out`, `${cwd}/README.md`, `${cwd}/src/x`],
  })
})

test("a pattern matches words as a whole, in time proportional to them", () => {
  for (const [pattern, word, matches] of [
    ["a*c", "abc", true],
    ["a*c", "ac", true],
    ["a*c", "abcd", false],
    ["*", "", true],
    ["a*a", "a", false],
    ["*b*", "abc", true],
    ["a\\*", "a*", true],
    ["a\\*", "ab", false],
    ["a*b*c", "a-c-b-c", true],
  ] as const)
    assert.equal(matchesWord(pattern, word), matches, `${pattern} ${word}`)
  assert.equal(matchesWord("a*".repeat(2_000), `${"a".repeat(100_000)}b`), true)
  assert.equal(matchesWord(`${"a*".repeat(2_000)}c`, "a".repeat(100_000)), false)
  for (const word of ["a*b", "\\", "**", ">x", "sha256:x", "\\*"]) {
    assert.equal(matchesWord(literalPattern(word), word), true, word)
    assert.equal(matchesWord(literalPattern(word), `${word}x`), false, word)
  }
})
