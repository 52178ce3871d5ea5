// A gateway as a unit of systemd, of the user's own manager or of the system's.
import { join } from "node:path"
import { PincerError } from "../../base/errors.ts"
import { envValue } from "../../config/paths.ts"
import { type ServiceManager, type ServicePlace, type ServiceState, type ToolAnswer, tool } from "./supervisor.ts"
import { systemdUnit } from "./systemd-unit.ts"

const LAST_LINES = "6"

export function systemd(place: ServicePlace): ServiceManager {
  const { env, scope } = place
  const name = place.suffix === "" ? "pincer-gateway.service" : `pincer-gateway-${place.suffix}.service`
  const folder =
    scope === "system"
      ? (place.systemFolder ?? "/etc/systemd/system")
      : join(envValue(env, "XDG_CONFIG_HOME") ?? join(place.userHome, ".config"), "systemd", "user")
  const where = scope === "user" ? ["--user"] : []
  const ask = (...args: string[]) => tool("systemctl", [...where, ...args], env)
  const run = async (...args: string[]) => {
    const said = await ask(...args)
    if (said.code !== 0) throw refusal(said, scope)
  }
  return {
    kind: "systemd",
    scope,
    name,
    file: join(folder, name),
    render: systemdUnit,
    async state() {
      const said = await ask("show", name, "--property=ActiveState,SubState,UnitFileState,MainPID,Result")
      if (said.code !== 0) throw refusal(said, scope)
      return stateOf(said.out)
    },
    async enable() {
      await run("daemon-reload")
      await run("enable", name)
    },
    disable: () => run("disable", "--now", name),
    async forget() {
      await run("daemon-reload")
      // Fails when it is not known as failed, which is as well.
      await ask("reset-failed", name)
    },
    async start() {
      await ask("reset-failed", name)
      await run("start", name)
    },
    stop: () => run("stop", name),
    async restart() {
      await ask("reset-failed", name)
      await run("restart", name)
    },
    async lastWords() {
      const args = [...where, "--unit", name, "--lines", LAST_LINES, "--no-pager", "--output", "cat"]
      const said = await tool("journalctl", args, env).catch(() => undefined)
      return said?.code === 0 ? said.out.trim() : ""
    },
    async advice() {
      if (scope === "system") return undefined
      const said = await tool("loginctl", ["show-user", String(place.uid), "--property=Linger"], env).catch(
        () => undefined,
      )
      if (said?.code === 0 && said.out.includes("Linger=yes")) return undefined
      return {
        text: "A user's services end when the user logs out, unless they linger.",
        fix: "loginctl enable-linger",
      }
    },
  }
}

function stateOf(text: string): ServiceState {
  const values = new Map(
    text.split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  )
  const active = values.get("ActiveState") ?? "unknown"
  const sub = values.get("SubState") ?? ""
  const result = values.get("Result") ?? "success"
  const pid = Number(values.get("MainPID"))
  return {
    enabled: values.get("UnitFileState") === "enabled",
    running: active === "active",
    failed: active === "failed" || sub === "auto-restart",
    ...(pid > 0 ? { pid } : {}),
    words: `${active} (${sub}${result === "success" ? "" : `, ${result}`})`,
  }
}

function refusal(said: ToolAnswer, scope: "user" | "system"): PincerError {
  const why = (said.err.trim() || said.out.trim() || `exit code ${said.code}`).split("\n")[0] ?? ""
  if (/connect to bus|No medium found|not been booted with systemd|Host is down/i.test(why))
    return new PincerError(
      "UNAVAILABLE",
      scope === "user"
        ? `systemd does not answer for this user (${why}): log in as this user, or use "pincer gateway start" instead`
        : `systemd does not answer (${why}): use "pincer gateway start" instead`,
      { retryable: false },
    )
  if (/authentication required|access denied|permission denied|not permitted/i.test(why))
    return new PincerError("PERMISSION_DENIED", `systemd refused (${why}): use sudo`)
  return new PincerError("UNAVAILABLE", `systemd refused: ${why}`, { retryable: false })
}
