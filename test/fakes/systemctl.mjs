#!/usr/bin/env node
// Stands for systemctl, journalctl and loginctl on PATH (by the name it is called): keeps its state in the folder FAKE_SYSTEMD, writes down
// what it was asked, and really starts what ExecStart= says. FAKE_SYSTEMD_BROKEN: what it then says instead, with exit code 1.
import { spawn } from "node:child_process"
import { appendFileSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"

const folder = process.env.FAKE_SYSTEMD
const called = basename(process.argv[1])
const args = process.argv.slice(2).filter((one) => one !== "--user")
appendFileSync(join(folder, "calls"), `${called} ${process.argv.slice(2).join(" ")}\n`)
if (existsSync(join(folder, "broken"))) {
  process.stderr.write(readFileSync(join(folder, "broken")))
  process.exit(1)
}
const file = join(folder, "state.json")
const state = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { enabled: false, loaded: "", pid: 0 }
const keep = () => writeFileSync(file, JSON.stringify(state))
const alive = () => {
  try {
    if (state.pid > 0) process.kill(state.pid, 0)
    return state.pid > 0
  } catch {
    return false
  }
}
const unitFile = (name) =>
  join(process.env.XDG_CONFIG_HOME ?? join(process.env.HOME, ".config"), "systemd", "user", name)

/** systemd.service(5): words in double quotes, with \\ and %% and $$. */
function words(line) {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((one) =>
    one[1].replace(/\\(.)/g, "$1").replaceAll("%%", "%").replaceAll("$$", "$"),
  )
}

function start() {
  if (alive()) return
  const unit = state.loaded
  const exec = words(/^ExecStart=(.*)$/m.exec(unit)[1])
  const env = Object.fromEntries(
    words(/^Environment=(.*)$/m.exec(unit)[1]).map((one) => [one.split("=")[0], one.slice(one.indexOf("=") + 1)]),
  )
  const log = openSync(join(folder, "journal"), "a")
  const child = spawn(exec[0], exec.slice(1), { env, detached: true, stdio: ["ignore", log, log] })
  child.unref()
  state.pid = child.pid
  state.wanted = true
  keep()
}

async function stop() {
  state.wanted = false
  keep()
  if (!alive()) return
  process.kill(state.pid, "SIGTERM")
  while (alive()) await new Promise((resolve) => setTimeout(resolve, 10))
  state.pid = 0
  keep()
}

const [verb, name] = args
if (called === "journalctl")
  process.stdout.write(existsSync(join(folder, "journal")) ? readFileSync(join(folder, "journal")) : "")
else if (called === "loginctl") process.stdout.write("Linger=no\n")
else if (verb === "show") {
  const failed = state.wanted && !alive()
  const words = alive() ? ["active", "running"] : failed ? ["failed", "failed"] : ["inactive", "dead"]
  process.stdout.write(
    `ActiveState=${words[0]}\nSubState=${words[1]}\nUnitFileState=${state.enabled ? "enabled" : ""}\nMainPID=${alive() ? state.pid : 0}\nResult=${failed ? "exit-code" : "success"}\n`,
  )
} else if (verb === "daemon-reload") state.reloaded = true
else if (verb === "enable") {
  state.loaded = readFileSync(unitFile(name), "utf8")
  state.enabled = true
  keep()
} else if (verb === "disable") {
  await stop()
  state.enabled = false
  keep()
} else if (verb === "start") start()
else if (verb === "stop") await stop()
else if (verb === "restart") {
  await stop()
  start()
}
