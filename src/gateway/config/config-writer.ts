// Changes of the configuration through a running gateway: judged by everybody who follows it, written, put into force, and taken out of
// the file again when that fails. One at a time with reloads.
import { requireHash, writeAndKeep } from "../../config/change-file.ts"
import { hashOf, restoreConfig } from "../../config/edit.ts"
import { readConfigFile } from "../../config/load.ts"
import type { Paths } from "../../config/paths.ts"
import { type ConfigEdit, revisedText } from "../../config/revise.ts"
import type { Parts } from "../parts.ts"
import type { ReloadOutcome } from "./config-service.ts"

export interface WriteOutcome extends ReloadOutcome {
  hash: string
}

type Room = Pick<Parts, "live" | "clock" | "log"> & { paths: Pick<Paths, "config" | "home"> }

/** Throws INVALID_PARAMS with `details.issues`, CONFLICT, and what takers refuse with; file and configuration are as before then. */
export function changeConfig(room: Room, edit: ConfigEdit, baseHash?: string): Promise<WriteOutcome> {
  return room.live.exclusively(async () => {
    const before = readConfigFile(room.paths.config)?.text
    requireHash(before, baseHash)
    const after = await revisedText(before, edit)
    let isWritten = false
    try {
      const outcome = await room.live.put(after, () => {
        if (after === before) return
        writeAndKeep({ clock: room.clock, paths: room.paths }, before, after)
        isWritten = true
      })
      return { ...outcome, hash: hashOf(after) }
    } catch (error) {
      if (isWritten) restore(room, before, after)
      throw error
    }
  })
}

function restore({ live, log, paths }: Room, before: string | undefined, after: string): void {
  try {
    restoreConfig(paths.config, before, hashOf(after))
    live.seen = before
  } catch (error) {
    log.error({ err: error, path: paths.config }, "The configuration file could not be put back after a failed change")
  }
}
