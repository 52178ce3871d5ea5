// Checks of the machine and of the home: what it runs on, who may look in, what was left lying about, how much room there is.
import { accessSync, constants, lstatSync, readdirSync, statfsSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
import { restorePending } from "../../backup/restore-journal.ts"
import { backupFolder, listBackups } from "../../backup/shelf.ts"
import { putAsideLogs } from "../../base/log-file.ts"
import { readGatewayInfo } from "../../config/gateway-file.ts"
import { type Check, type CheckFinding, type DoctorRoom, ok, openBits, problem, sized, warning } from "./check.ts"

const MIN_NODE = 24
const LOW_DISK = 1_000_000_000
const NO_DISK = 100_000_000
const LARGE_LOGS = 1_000_000_000
const DAY_MS = 86_400_000
const OLD_BACKUP_DAYS = 14
/** Drafts younger than this may still be written. */
const DRAFT_MS = 3_600_000
const SYNCED =
  /[/\\](?:Dropbox|OneDrive[^/\\]*|Google ?Drive|iCloud ?Drive|Mobile Documents|CloudStorage|Nextcloud)(?:[/\\]|$)/i

function nodeVersion(): CheckFinding {
  const { node } = process.versions
  if (Number(node.split(".")[0]) >= MIN_NODE) return ok(`Node ${node}`)
  return problem(`Node ${node} is older than ${MIN_NODE}`, "install Node 24 from https://nodejs.org")
}

function permissions({ paths: { home } }: DoctorRoom): CheckFinding {
  const stat = statSync(home, { throwIfNoEntry: false })
  if (!stat) {
    const parent = nearestFolder(home)
    if (mayWrite(parent)) return ok(`${home} does not exist yet and can be made`)
    return problem(`${home} does not exist and ${parent} cannot be written`, "set PINCER_HOME to a folder of yours")
  }
  if (!stat.isDirectory()) return problem(`${home} is not a folder`, `mv ${home} ${home}.old`)
  const me = process.getuid?.()
  if (!mayWrite(home) || (me !== undefined && me !== 0 && stat.uid !== me))
    return problem(`${home} is not yours to write`, `sudo chown -R "$USER" ${home} && chmod 700 ${home}`)
  if (openBits(stat.mode) === 0) return ok(`${home} is yours alone`)
  const repair = [{ type: "mode" as const, path: home, from: stat.mode & 0o777, to: 0o700 }]
  return warning(`Other users of this machine can look into ${home}`, `chmod 700 ${home}`, repair)
}

function nearestFolder(path: string): string {
  let folder = dirname(path)
  while (!statSync(folder, { throwIfNoEntry: false })?.isDirectory() && dirname(folder) !== folder)
    folder = dirname(folder)
  return folder
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

function synced({ paths: { home } }: DoctorRoom): CheckFinding {
  if (!SYNCED.test(home)) return ok("The home is on this machine alone")
  const text = `${home} is copied to a cloud service: its keys go there, and a database that is copied while it is written breaks`
  return problem(text, `pincer gateway stop && mv ${home} ~/.pincer`)
}

function diskSpace({ paths: { home } }: DoctorRoom): CheckFinding {
  const folder = statSync(home, { throwIfNoEntry: false }) ? home : nearestFolder(home)
  const { bavail, bsize, ffree, files } = statfsSync(folder)
  const free = bavail * bsize
  const text = `${sized(free)} free at ${folder}`
  if (free < NO_DISK) return problem(text, "make room: without it nothing can be recorded")
  if (files > 0 && ffree < 1_000) return problem(`${ffree} files can still be made at ${folder}`, "remove files there")
  return free < LOW_DISK ? warning(text, "make room soon") : ok(text)
}

/** What programs that were killed left behind. */
function leftovers({ paths, running, inside, clock }: DoctorRoom): CheckFinding {
  const { home } = paths
  if (restorePending(home)) return problem("A restore was cut off: the next start finishes it", "pincer gateway start")
  const stale = namesIn(home).filter((name) => isDraft(home, name, clock.now()))
  if (!running && !inside && readGatewayInfo(home) !== undefined) stale.push("gateway.json")
  if (stale.length === 0) return ok("Nothing was left lying about")
  const repair = stale.map((name) => ({ type: "remove" as const, path: join(home, name) }))
  return warning(
    `Left by programs that were killed: ${stale.join(", ")}`,
    "pincer doctor --fix --only home.leftovers",
    repair,
  )
}

function namesIn(folder: string): string[] {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(folder) : []
}

function isDraft(home: string, name: string, now: number): boolean {
  if (!/(?:\.tmp|\.partial|\.next)$|^restore-\d{8}-/.test(name)) return false
  const stat = lstatSync(join(home, name), { throwIfNoEntry: false })
  return stat !== undefined && now - stat.mtimeMs > DRAFT_MS
}

function logSize({ paths: { log } }: DoctorRoom): CheckFinding {
  const aside = putAsideLogs(log)
  const bytes = (statSync(log, { throwIfNoEntry: false })?.size ?? 0) + aside.reduce((sum, file) => sum + file.size, 0)
  const text = `The log takes ${sized(bytes)} in ${aside.length + 1} ${aside.length === 0 ? "file" : "files"}`
  return bytes > LARGE_LOGS ? warning(text, "pincer config set log.maxFiles 3") : ok(text)
}

async function recentBackup({ config, paths, clock }: DoctorRoom): Promise<CheckFinding> {
  const born = statSync(paths.db, { throwIfNoEntry: false })?.birthtimeMs
  if (born === undefined) return ok("There is nothing to back up yet")
  const folder = "loaded" in config ? backupFolder(config.loaded.config, paths.home) : join(paths.home, "backups")
  const newest = (await listBackups(folder)).find((row) => !row.automatic)
  const age = clock.now() - (newest?.createdAt ?? born)
  const days = Math.floor(age / DAY_MS)
  if (newest && days < OLD_BACKUP_DAYS) return ok(`The newest backup is ${days} ${days === 1 ? "day" : "days"} old`)
  if (newest) return warning(`The newest backup is ${days} days old`, "pincer backup create")
  if (days < OLD_BACKUP_DAYS) return ok("There is no backup yet, and the home is new")
  return warning("There is no backup of this home", "pincer backup create")
}

export const homeChecks: readonly Check[] = [
  { id: "node.version", category: "machine", about: "Node is new enough", run: nodeVersion },
  { id: "disk.space", category: "machine", about: "room on the disk of the home", run: diskSpace },
  { id: "home.permissions", category: "home", about: "the home is yours alone", security: true, run: permissions },
  {
    id: "home.synced",
    category: "home",
    about: "the home is in no folder of a cloud service",
    security: true,
    run: synced,
  },
  { id: "home.leftovers", category: "home", about: "drafts, marks and restores of programs that died", run: leftovers },
  { id: "logs.size", category: "home", about: "how much the log takes", run: logSize },
  { id: "backup.recent", category: "home", about: "a backup of the last two weeks", run: recentBackup },
]
