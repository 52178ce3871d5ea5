// Which service is meant: that of this home, of the user or of the system.
import { existsSync, readFileSync } from "node:fs"
import { homedir, userInfo } from "node:os"
import { join } from "node:path"
import { PincerError } from "../../base/errors.ts"
import { envValue, resolvePaths } from "../../config/paths.ts"
import type { Cli } from "../cli.ts"
import { launchd } from "./launchd.ts"
import { planIn, type ServiceScope, suffixOf } from "./plan.ts"
import { readUnit, type ServiceManager, type ServicePlace } from "./supervisor.ts"
import { systemd } from "./systemd.ts"

export function userHomeOf(cli: Cli): string {
  return envValue(cli.env, "HOME") ?? homedir()
}

/** The manager of this system. Throws NOT_IMPLEMENTED where there is none that we know. */
export function serviceManager(
  cli: Cli,
  scope: ServiceScope,
  home = resolvePaths(cli.env, cli.flags).home,
): ServiceManager {
  const userHome = userHomeOf(cli)
  const place: ServicePlace = {
    env: cli.env,
    userHome,
    suffix: suffixOf(home),
    scope,
    uid: process.getuid?.() ?? 0,
  }
  if (process.platform === "darwin") return launchd(place)
  if (process.platform === "linux") return systemd(place)
  throw new PincerError(
    "NOT_IMPLEMENTED",
    `There is no service for ${process.platform}: let "pincer gateway start" run when you log in`,
  )
}

export interface InstalledService {
  manager: ServiceManager
  text: string
}

/** The service of this home, if one was installed: the user's, or else the system's. */
export function installedService(cli: Cli): InstalledService | undefined {
  if (process.platform !== "linux" && process.platform !== "darwin") return undefined
  const { home } = resolvePaths(cli.env, cli.flags)
  for (const scope of ["user", "system"] as const) {
    const manager = serviceManager(cli, scope)
    const text = readUnit(manager.file)
    // Two users' homes may have the same name: the plan says whose it is.
    if (text !== undefined && (planIn(text)?.home ?? home) === home) return { manager, text }
  }
  return undefined
}

/** The home folder of a user of this machine. Throws NOT_FOUND. */
export function homeOfUser(name: string): string {
  const me = userInfo()
  if (me.username === name) return me.homedir
  const passwd = "/etc/passwd"
  const line = existsSync(passwd)
    ? readFileSync(passwd, "utf8")
        .split("\n")
        .find((one) => one.startsWith(`${name}:`))
    : undefined
  const home = line?.split(":")[5] ?? (process.platform === "darwin" ? join("/Users", name) : undefined)
  if (home === undefined || !existsSync(home))
    throw new PincerError("NOT_FOUND", `The home folder of the user "${name}" is not known: pass --home`)
  return home
}
