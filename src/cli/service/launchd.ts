// A gateway as a job of launchd: an agent of the user who is logged in, or a daemon of the system.
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { PincerError } from "../../base/errors.ts"
import { lastLines } from "../last-lines.ts"
import { launchdLabel, launchdPlist } from "./launchd-plist.ts"
import { planIn } from "./plan.ts"
import { type ServiceManager, type ServicePlace, type ServiceState, type ToolAnswer, tool } from "./supervisor.ts"

/** launchctl's answer for a job that it does not know: no such process, or could not find service. */
const UNKNOWN = [3, 113]

export function launchd(place: ServicePlace): ServiceManager {
  const { env, scope } = place
  const name = launchdLabel(place.suffix)
  const folder =
    scope === "system"
      ? (place.systemFolder ?? "/Library/LaunchDaemons")
      : join(place.userHome, "Library", "LaunchAgents")
  const file = join(folder, `${name}.plist`)
  const domain = scope === "system" ? "system" : `gui/${place.uid}`
  const target = `${domain}/${name}`
  const ask = (...args: string[]) => tool("launchctl", args, env)
  const run = async (...args: string[]) => {
    const said = await ask(...args)
    if (said.code !== 0) throw refusal(said)
  }
  const loaded = async () => (await ask("print", target)).code === 0
  const load = async () => {
    if (!(await loaded())) await run("bootstrap", domain, file)
  }
  const unload = async () => {
    const said = await ask("bootout", target)
    if (said.code !== 0 && !UNKNOWN.includes(said.code)) throw refusal(said)
  }
  return {
    kind: "launchd",
    scope,
    name,
    file,
    render: launchdPlist,
    async state() {
      const said = await ask("print", target)
      const disabled = (await ask("print-disabled", domain)).out
      const off = new RegExp(`"${name.replaceAll(".", "\\.")}" => (?:true|disabled)`).test(disabled)
      return stateOf(said, existsSync(file) && !off)
    },
    async enable() {
      await run("enable", target)
      // What is loaded keeps the description that it was loaded with.
      await unload()
    },
    async disable() {
      await unload()
    },
    forget: async () => undefined,
    async start() {
      await load()
      await run("kickstart", target)
    },
    stop: unload,
    async restart() {
      await load()
      await run("kickstart", "-k", target)
    },
    async lastWords() {
      const home = existsSync(file) ? planIn(readFileSync(file, "utf8"))?.home : undefined
      return home === undefined ? "" : lastLines(join(home, "logs", "service.log"))
    },
    advice: async () => undefined,
  }
}

function stateOf(said: ToolAnswer, enabled: boolean): ServiceState {
  if (said.code !== 0) return { enabled, running: false, failed: false, words: "not loaded" }
  const field = (name: string) => new RegExp(`^\\s*${name} = (.+)$`, "m").exec(said.out)?.[1]
  const state = field("state") ?? "unknown"
  const pid = Number(field("pid"))
  const ended = Number(field("last exit code") ?? 0)
  const running = state === "running"
  return {
    enabled,
    running,
    failed: !running && Number.isFinite(ended) && ended !== 0,
    ...(pid > 0 ? { pid } : {}),
    words: running || ended === 0 || Number.isNaN(ended) ? state : `${state}, ended with ${ended}`,
  }
}

function refusal(said: ToolAnswer): PincerError {
  const why = (said.err.trim() || said.out.trim() || `exit code ${said.code}`).split("\n")[0] ?? ""
  if (/not permitted|permission|privileged/i.test(why))
    return new PincerError("PERMISSION_DENIED", `launchd refused (${why}): use sudo`)
  return new PincerError("UNAVAILABLE", `launchd refused: ${why}`, { retryable: false })
}
