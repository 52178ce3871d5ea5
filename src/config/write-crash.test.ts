// The process is killed at each step of a change of the configuration file: the file is then the old one or the new one, whole.
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { systemClock } from "../base/clock.ts"
import { hashOf, type WriteStep, writeConfig } from "./edit.ts"
import { loadConfig } from "./load.ts"

const OLD = '// mine\n{ "turns": { "maxQueued": 5 } }\n'
const NEW = '// mine\n{ "turns": { "maxQueued": 6 } }\n'
const STEPS: readonly WriteStep[] = ["opened", "written", "kept", "renamed"]

const KILLED = `
const { hashOf, writeConfig } = await import(process.argv[1])
const [path, text, step] = process.argv.slice(2)
const clock = { now: () => Date.now(), after: () => () => {}, sleep: async () => {} }
const { readFileSync } = await import("node:fs")
writeConfig(path, text, hashOf(readFileSync(path, "utf8")), clock, (now) => {
  if (now === step) process.kill(process.pid, "SIGKILL")
})
`

for (const step of STEPS)
  test(`killed when the new text is ${step}: the file is whole, and the next change goes through`, (t) => {
    const home = mkdtempSync(join(tmpdir(), "pincer-kill-"))
    t.after(() => rmSync(home, { recursive: true, force: true }))
    const path = join(home, "pincer.json")
    writeFileSync(path, OLD, { mode: 0o600 })
    const module = new URL("./edit.ts", import.meta.url).href
    const run = spawnSync(process.execPath, ["--input-type=module", "-e", KILLED, module, path, NEW, step])
    assert.equal(run.signal, "SIGKILL", String(run.stderr))
    const left = readFileSync(path, "utf8")
    assert.equal(left, step === "renamed" ? NEW : OLD)
    if (existsSync(`${path}.bak`)) assert.equal(readFileSync(`${path}.bak`, "utf8"), OLD)
    assert.equal(loadConfig({ env: { PINCER_HOME: home } }).config.turns.maxQueued, left === NEW ? 6 : 5)
    // A draft that the dead writer left counts as its lock for ten seconds.
    const later = { ...systemClock, now: () => Date.now() + 11_000 }
    writeConfig(path, NEW.replace("6", "7"), hashOf(left), later)
    assert.match(readFileSync(path, "utf8"), /"maxQueued": 7/)
    assert.equal(readFileSync(`${path}.bak`, "utf8"), left)
    assert.equal(existsSync(`${path}.next`), false)
  })
