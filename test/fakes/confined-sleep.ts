// A daemon that runs one confined program, told on standard input, and waits for it: for tests that kill the daemon.
import { spawn } from "node:child_process"
import { text } from "node:stream/consumers"
import { openSandbox } from "../../src/sandbox/index.ts"

const { path, profile, program, uid, workspace } = JSON.parse(await text(process.stdin))
const sandbox = openSandbox({ profile: "workspace", profiles: {}, uid }, { path, hidden: [] })
const confined = await sandbox.confine({ program, workspace, profile })
spawn(confined.file, confined.args, { cwd: confined.cwd, env: { ...confined.env }, detached: true, stdio: "ignore" })
setInterval(() => undefined, 60_000)
