// `pincer gateway install|uninstall`: the gateway as a service that starts with the machine or the login. Doing it twice is doing it once.
// Nothing of what was given as a secret goes into the unit.
import { existsSync } from "node:fs"
import { userInfo } from "node:os"
import { PincerError } from "../base/errors.ts"
import { type GatewayInfo, runningGateway } from "../config/gateway-file.ts"
import { envValue, resolvePaths } from "../config/paths.ts"
import { stopBackground, untilReady } from "./background.ts"
import type { Cli } from "./cli.ts"
import { givenToken } from "./connect.ts"
import { inert } from "./inert.ts"
import { PROGRAM } from "./program-file.ts"
import { homeOfUser, installedService, serviceManager, userHomeOf } from "./service/find.ts"
import { checkPlan, environmentFile, planIn, type ServicePlan, type ServiceScope, suffixOf } from "./service/plan.ts"
import { readUnit, removeUnit, type ServiceManager, writeUnit } from "./service/supervisor.ts"

export interface InstallFlags {
  system?: boolean
  user?: boolean
  runAs?: string
  host?: string
  port?: string
  force?: boolean
  dryRun?: boolean
  /** --no-start */
  start: boolean
  json?: boolean
}

const STOP_MS = 45_000

/** Throws what is wrong; what was changed until then stays and is completed by another try. */
export async function installService(cli: Cli, flags: InstallFlags): Promise<void> {
  const scope = scopeOf(cli, flags)
  const plan = planOf(cli, flags, scope)
  checkPlan(plan)
  const manager = serviceManager(cli, scope, plan.home)
  const text = manager.render(plan)
  const warnings = warningsOf(cli, plan)
  if (flags.dryRun) {
    if (flags.json)
      cli.out.json({ file: manager.file, name: manager.name, manager: manager.kind, scope, text, warnings })
    else cli.out.write(text)
    if (!flags.json) for (const warning of warnings) cli.err.line(`! ${warning}`)
    return
  }
  const before = readUnit(manager.file)
  if (before !== undefined && !planIn(before) && !flags.force)
    throw new PincerError(
      "CONFLICT",
      `${manager.file} was not written by pincer gateway install: move it away, or pass --force`,
    )
  refuseOthers(manager, before, plan.home)
  const other = installedService(cli)
  if (other && other.manager.scope !== scope)
    throw new PincerError(
      "CONFLICT",
      `This gateway is a ${other.manager.scope} service already: run "pincer gateway uninstall" first`,
    )
  // Asked before anything is written, so that a system without a manager stays as it was.
  const state = await manager.state()
  const same = before === text
  if (!same) writeUnit(manager.file, text)
  if (!same || !state.enabled) await manager.enable()
  const info = flags.start ? await begin(cli, manager, plan, same && state.running) : undefined
  const advice = await manager.advice()
  const what = before === undefined ? "installed" : same ? "unchanged" : "updated"
  if (flags.json) {
    cli.out.json({ status: what, file: manager.file, name: manager.name, scope, warnings, advice, gateway: info })
    return
  }
  const words = { installed: "Installed", unchanged: "Installed already", updated: "Updated" }
  cli.out.line(`${words[what]}: ${manager.name} (${manager.file}).`)
  if (info) cli.out.line(`The gateway answers at ${info.url} (pid ${info.pid}).`)
  else cli.out.line(`It starts with the ${scope === "system" ? "machine" : "login"}; now: pincer gateway start`)
  for (const warning of warnings) cli.err.line(`! ${inert(warning)}`)
  if (advice) cli.err.line(`! ${advice.text}\n  ${cli.err.paint("fix:", "dim")} ${advice.fix}`)
}

/** A system has one service of a name; homes of two users can share it. */
function refuseOthers(manager: ServiceManager, text: string | undefined, home: string): void {
  const theirs = text === undefined ? undefined : planIn(text)?.home
  if (theirs === undefined || theirs === home) return
  throw new PincerError(
    "CONFLICT",
    `${manager.name} is the service of ${theirs}: pass --home ${theirs}, or --profile <name> for another of your own`,
  )
}

/** The gateway of the service, answering; one that runs by itself makes room for it. */
async function begin(cli: Cli, manager: ServiceManager, plan: ServicePlan, asItIs: boolean): Promise<GatewayInfo> {
  const running = runningGateway(plan.home)
  const { pid } = await manager.state()
  if (running && running.pid === pid && asItIs) return running
  if (running && running.pid !== pid) await stopBackground(cli, { timeoutMs: STOP_MS, force: false })
  await manager.restart()
  return serviceReady({ ...cli, flags: { ...cli.flags, home: plan.home } }, manager, running?.pid)
}

/** Waits until the service's gateway answers. Throws with its last words when the service has failed. */
export function serviceReady(cli: Cli, manager: ServiceManager, notPid?: number): Promise<GatewayInfo> {
  let asked = 0
  return untilReady(cli, {
    notPid,
    lastWords: () => manager.lastWords(),
    async failure() {
      // Asking is a process of its own: not with every look.
      asked += 1
      if (asked % 10 !== 0) return undefined
      const state = await manager.state()
      if (state.running || !state.failed) return undefined
      const words = await manager.lastWords()
      return new PincerError(
        "UNAVAILABLE",
        `${manager.name} does not start: ${state.words}${words === "" ? "" : `. Its last words:\n${inert(words)}`}`,
        { retryable: false },
      )
    },
  })
}

export async function uninstallService(
  cli: Cli,
  flags: { system?: boolean; user?: boolean; force?: boolean; dryRun?: boolean; json?: boolean },
): Promise<void> {
  const named = flags.system || flags.user
  const manager = named ? serviceManager(cli, scopeOf(cli, flags)) : installedService(cli)?.manager
  const text = manager && readUnit(manager.file)
  if (!manager || text === undefined) {
    if (flags.json) cli.out.json({ status: "absent" })
    else cli.out.line(`No service is installed for ${resolvePaths(cli.env, cli.flags).home}.`)
    return
  }
  if (!planIn(text) && !flags.force)
    throw new PincerError(
      "CONFLICT",
      `${manager.file} was not written by pincer gateway install: pass --force to remove it`,
    )
  refuseOthers(manager, text, resolvePaths(cli.env, cli.flags).home)
  if (flags.dryRun) {
    if (flags.json) cli.out.json({ status: "would-remove", file: manager.file, name: manager.name })
    else cli.out.line(`Would stop and disable ${manager.name} and remove ${manager.file}.`)
    return
  }
  await manager.disable()
  removeUnit(manager.file)
  await manager.forget()
  if (flags.json) cli.out.json({ status: "removed", file: manager.file, name: manager.name })
  else cli.out.line(`Removed ${manager.name} (${manager.file}). The home stays as it is.`)
}

/** --system and --user, else a variable, else root's services are the system's. */
function scopeOf(cli: Cli, flags: { system?: boolean; user?: boolean }): ServiceScope {
  if (flags.system && flags.user) throw new PincerError("INVALID_PARAMS", "Pass either --system or --user, not both")
  if (flags.system) return "system"
  if (flags.user) return "user"
  const variable = ["PINCER_SERVICE_SCOPE", "CLAWGO_GATEWAY_SCOPE"].find(
    (name) => envValue(cli.env, name) !== undefined,
  )
  const word = variable && envValue(cli.env, variable)
  if (word === "user" || word === "system") return word
  if (word !== undefined)
    throw new PincerError("INVALID_PARAMS", `${variable}: "${word}" is not a scope: use user or system`)
  return process.platform === "linux" && process.getuid?.() === 0 ? "system" : "user"
}

function planOf(cli: Cli, flags: InstallFlags, scope: ServiceScope): ServicePlan {
  if (flags.runAs !== undefined && scope === "user")
    throw new PincerError("INVALID_PARAMS", "--run-as is for a system service: pass --system, too")
  if (flags.port !== undefined && !(/^\d{1,5}$/.test(flags.port) && Number(flags.port) <= 65_535))
    throw new PincerError("INVALID_PARAMS", `--port: "${flags.port}" is not a port: use a whole number from 0 to 65535`)
  const user = scope === "system" ? (flags.runAs ?? envValue(cli.env, "SUDO_USER") ?? userInfo().username) : undefined
  const other = user !== undefined && user !== userInfo().username
  const userHome = other ? homeOfUser(user) : userHomeOf(cli)
  const paths = resolvePaths({ ...cli.env, HOME: userHome }, cli.flags)
  return {
    scope,
    suffix: suffixOf(paths.home),
    home: paths.home,
    ...(paths.configNamed ? { config: paths.config } : {}),
    ...(flags.host === undefined ? {} : { host: flags.host }),
    ...(flags.port === undefined ? {} : { port: flags.port }),
    node: process.execPath,
    program: PROGRAM,
    path: envValue(cli.env, "PATH") ?? "/usr/local/bin:/usr/bin:/bin",
    userHome,
    ...(user === undefined ? {} : { user }),
  }
}

/** Variables with secrets that the gateway would have had from this shell. */
const SECRET_NAME = /_(API_KEY|TOKEN|PASSWORD)$/

function warningsOf(cli: Cli, plan: ServicePlan): string[] {
  const warnings: string[] = []
  const file = environmentFile(plan.home)
  const secrets = Object.keys(cli.env).filter((name) => SECRET_NAME.test(name) && envValue(cli.env, name) !== undefined)
  const elsewhere =
    process.platform === "linux" ? `put them into ${file} (mode 0600), or refer to files` : "refer to files"
  if (givenToken(cli) !== undefined)
    warnings.push(
      `The token that was given is not written into a unit: set gateway.auth.token, or the home's own is used.`,
    )
  if (secrets.length > 0 && !existsSync(file))
    warnings.push(
      `The service does not have these variables of this shell: ${secrets.sort().join(", ")}: ${elsewhere}.`,
    )
  if (plan.user === "root")
    warnings.push("The gateway will run as root, and so will commands outside the sandbox: name a user with --run-as.")
  return warnings
}
