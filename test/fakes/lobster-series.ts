// Runs cases of test/corpus/lobster-cases.ts with a program that understands Lobster's command line.
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type CallAnswer, compared, filled, gateIn, type LobsterCase } from "../corpus/lobster-case.ts"

export type Call = (
  words: string[],
  cwd: string,
  env: Record<string, string>,
) => Promise<{ code: number | null; out: string }>

/** In folders of its own, which are removed. */
export async function answersOf({ calls, env = {}, files = {} }: LobsterCase, call: Call): Promise<CallAnswer[]> {
  const root = mkdtempSync(join(tmpdir(), "pincer-lobster-"))
  const cwd = join(root, "work")
  mkdirSync(cwd, { mode: 0o755 })
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text)
    const answers: CallAnswer[] = []
    let gate = { token: "none", id: "none" }
    for (const words of calls) {
      const { code, out } = await call(filled(words, gate), cwd, {
        PATH: process.env["PATH"] ?? "",
        HOME: root,
        PINCER_HOME: join(root, "home"),
        LOBSTER_STATE_DIR: join(root, "state"),
        ...env,
      })
      const shown = gateIn(out)
      if (shown.token !== "none") gate = shown
      answers.push({ code, said: compared(out) })
    }
    return answers
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** As a process of its own. */
export function byProcess(program: readonly string[]): Call {
  return (words, cwd, env) =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [...program, ...words], { cwd, env, stdio: ["ignore", "pipe", "ignore"] })
      let out = ""
      child.stdout.setEncoding("utf8").on("data", (text) => (out += text))
      child.once("error", reject)
      child.once("close", (code) => resolve({ code, out }))
    })
}
