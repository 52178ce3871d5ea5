// Notices that the configuration file was changed by somebody else: the system says so at once where it can, and a look every two
// seconds finds what it missed (network disks, links). A file that is being written is left alone until it rests.
import { type FSWatcher, statSync, watch } from "node:fs"
import type { Clock } from "../../base/clock.ts"
import { asPincerError, PincerError } from "../../base/errors.ts"
import type { Logger } from "../../base/log.ts"
import { readConfigFile } from "../../config/load.ts"
import type { ConfigService } from "./config-service.ts"

export interface WatchPorts {
  path: string
  live: Pick<ConfigService, "seen" | "reload">
  clock: Clock
  log: Logger
}

/** From the last sign of a change to the reload. */
const REST_MS = 100
const LOOK_MS = 2_000

/** The returned function ends it. */
export function watchConfig(ports: WatchPorts): () => void {
  const { clock, path } = ports
  let watcher = watcherOf(ports, notice)
  let stamp = stampOf(path)
  let cancelRest: (() => void) | undefined
  let cancelLook = clock.after(LOOK_MS, look)
  let busy: Promise<void> = Promise.resolve()
  function notice() {
    cancelRest?.()
    cancelRest = clock.after(REST_MS, () => {
      // Editors put another file in its place.
      watcher?.close()
      watcher = watcherOf(ports, notice)
      busy = busy.then(() => takeUp(ports))
    })
  }
  function look() {
    const now = stampOf(path)
    if (now !== stamp) notice()
    stamp = now
    cancelLook = clock.after(LOOK_MS, look)
  }
  // What was changed while the gateway started.
  notice()
  return () => {
    watcher?.close()
    cancelRest?.()
    cancelLook()
  }
}

/** Of the file itself: its folder is the home, where the database is written all the time. Undefined while there is none. */
function watcherOf({ log, path }: WatchPorts, notice: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, { persistent: false }, notice)
    watcher.on("error", (error) => log.debug({ err: error }, "The configuration is looked at every two seconds only"))
    return watcher
  } catch (error) {
    log.debug({ err: error }, "The configuration is looked at every two seconds only")
    return undefined
  }
}

/** What changes when the file does; the same text for one that is not there. */
function stampOf(path: string): string {
  try {
    const stat = statSync(path, { throwIfNoEntry: false })
    return stat ? `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}` : ""
  } catch (error) {
    return asPincerError(error).message
  }
}

/** A refusal is told by the service; nothing is left to do here. */
async function takeUp({ live, log, path }: WatchPorts): Promise<void> {
  try {
    if (!isNews(path, live)) return
    await live.reload("file")
  } catch (error) {
    if (!(error instanceof PincerError)) log.error({ err: error }, "The configuration could not be loaded anew")
  }
}

/** One that cannot be read is news. What was refused once is none. */
function isNews(path: string, live: WatchPorts["live"]): boolean {
  try {
    const text = readConfigFile(path)?.text
    if (text === live.seen) return false
    live.seen = text
    return true
  } catch (error) {
    if (error instanceof PincerError) return true
    throw error
  }
}
