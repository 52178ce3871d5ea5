// Configurations as nobody would write them on purpose: a good file with one or more things wrong with it, by a seed.
import { lines } from "./config-sample.ts"

/** One file that somebody broke, and how. */
export interface Mutant {
  seed: number
  how: string
  text: string
}

type Random = () => number

/** mulberry32: the same numbers for the same seed everywhere. */
function randomOf(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export function mutant(seed: number): Mutant {
  const random = randomOf(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  let text = lines.join("\n")
  const done: string[] = []
  const times = 1 + Math.floor(random() * 2.5)
  for (let i = 0; i < times; i++) {
    const [name, change] = pick(MUTATIONS)
    done.push(name)
    text = change(text, random, pick)
  }
  return { seed, how: done.join(" + "), text }
}

type Pick = <T>(list: readonly T[]) => T

const HOSTILE = [
  "null",
  "-1",
  "1e999",
  "0",
  '"\u0000"',
  "[]",
  "{}",
  "true",
  '"many"',
  "99999999999999999999",
  '{"env": "NOT_SET_ANYWHERE"}',
  '"../../../../etc/passwd"',
  '"\\ud800"',
  "[[[[[[[[]]]]]]]]",
  '{"exec": ["/nonexistent/program"]}',
  '"0.0.0.0"',
  '"192.0.2.1"',
  "1",
  "65536",
  '"none"',
] as const

const KEYS = [
  '"gateway"',
  '"turns"',
  '"__proto__"',
  '"constructor"',
  '"默认"',
  '"prot"',
  '""',
  '"a.b"',
  '"toString"',
] as const

const MUTATIONS: readonly (readonly [string, (text: string, random: Random, pick: Pick) => string])[] = [
  [
    "a value replaced",
    (text, _r, pick) => replaceOne(text, /: ("[^"\n]*"|-?\d+|true|false)/g, pick, () => `: ${pick(HOSTILE)}`),
  ],
  ["a key renamed", (text, _r, pick) => replaceOne(text, /"[a-zA-Z]+"(?=:)/g, pick, () => pick(KEYS))],
  [
    "a key doubled",
    (text, _r, pick) => replaceOne(text, /"[a-zA-Z]+": /g, pick, (found) => `${found}${pick(HOSTILE)}, ${found}`),
  ],
  ["cut short", (text, random) => text.slice(0, Math.floor(random() * text.length))],
  [
    "a character lost",
    (text, random) => {
      const at = Math.floor(random() * text.length)
      return text.slice(0, at) + text.slice(at + 1)
    },
  ],
  [
    "a character more",
    (text, random, pick) => {
      const at = Math.floor(random() * text.length)
      return (
        text.slice(0, at) +
        pick(["{", "}", "[", '"', ",", ":", "\\", "\u0000", "\ufeff", "/*", "//", "中"]) +
        text.slice(at)
      )
    },
  ],
  [
    "a line lost",
    (text, _r, pick) =>
      text
        .split("\n")
        .filter((line) => line !== pick(text.split("\n")))
        .join("\n"),
  ],
  [
    "two lines swapped",
    (text, random) => {
      const all = text.split("\n")
      const [a, b] = [Math.floor(random() * all.length), Math.floor(random() * all.length)]
      const first = all[a]!
      all[a] = all[b]!
      all[b] = first
      return all.join("\n")
    },
  ],
  ["emptied", () => ""],
  ["a remark more", (text, _r, pick) => replaceOne(text, /\n/g, pick, () => "\n/* 备注 // */ ")],
  ["a comma more", (text) => text.replace(/\n\}\s*$/, ",\n}")],
  [
    "another number",
    (text, random, pick) => replaceOne(text, /: \d+/g, pick, () => `: ${Math.ceil(random() * 2_000)}`),
  ],
  [
    "not JSON",
    (_t, _r, pick) =>
      pick(["[]", "null", "42", '"text"', "agents:\n  default: main\n", "<config/>", "\u0000\u0001\u0002"]),
  ],
  ["deep", (text) => text.replace("{", `{"agents": ${'{"entries": '.repeat(5_000)}`)],
  ["huge", (text) => text.replace("{", `{ // ${"x".repeat(1_100_000)}\n`)],
  [
    "another place to listen",
    (text, _r, pick) =>
      text.replace(
        '"host": "127.0.0.1"',
        `"host": ${pick(['"256.1.1.1"', '"no.such.host.invalid"', '"192.0.2.77"', '"::ffff:1"', '"0.0.0.0"'])}`,
      ),
  ],
  [
    "no authentication",
    (text) => text.replace('"mode": "token"', '"mode": "none"').replace('"127.0.0.1"', '"0.0.0.0"'),
  ],
  ["a sandbox that is none", (text) => text.replace('"profile": "workspace"', '"profile": "nothing"')],
  ["an agent that nobody knows", (text) => text.replace('"helper": {', '"helper": { "acp": { "agent": "nobody" },')],
]

function replaceOne(text: string, pattern: RegExp, pick: Pick, by: (found: string) => string): string {
  const found = [...text.matchAll(pattern)]
  if (found.length === 0) return text
  const one = pick(found)
  return text.slice(0, one.index) + by(one[0]) + text.slice(one.index + one[0].length)
}
