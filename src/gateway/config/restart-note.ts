// A restart that a change of the configuration asked for, beyond the process: what the next one says in the session that wanted to know. A
// small file in the home, taken away before it is told, so that it is told once at most.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { requireAgent, resolveSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { addNoteWhenFree } from "../sessions/note.ts"

export interface RestartNote {
  kind: "config-apply"
  /** ms since 1970. */
  ts: number
  /** Places that count after it. */
  paths: string[]
  sessionKey?: string | undefined
  note?: string | undefined
}

const SHOWN = 10

export function restartNoteIn(home: string): string {
  return join(home, "restart-note.json")
}

/** The file's path. */
export function leaveRestartNote(home: string, note: RestartNote): string {
  const path = restartNoteIn(home)
  writeFileSync(`${path}.next`, JSON.stringify(note), { mode: 0o600 })
  renameSync(`${path}.next`, path)
  return path
}

/** Says in the session that asked that the gateway is back. */
export async function tellRestart(parts: Parts): Promise<void> {
  const note = takeNote(parts)
  if (!note) return
  parts.log.info({ changed: note.paths, note: note.note }, "The gateway was started anew for its configuration")
  if (note.sessionKey === undefined) return
  const session = await resolveSession({ sessionKey: note.sessionKey }, parts)
  requireAgent(session.agentId, parts)
  await addNoteWhenFree(session, wordsFor(note, parts), parts)
}

const fields = () =>
  z.object({
    kind: z.literal("config-apply"),
    ts: z.number(),
    paths: z.array(z.string()),
    sessionKey: z.string().optional(),
    note: z.string().optional(),
  })

function takeNote({ home, log }: Parts): RestartNote | undefined {
  const path = restartNoteIn(home)
  if (!existsSync(path)) return undefined
  const text = readFileSync(path, "utf8")
  rmSync(path, { force: true })
  try {
    return fields().parse(JSON.parse(text))
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof z.ZodError)) throw error
    log.warn({ path }, "What was to be said after the restart cannot be read")
    return undefined
  }
}

/** Whether the change counts is looked at, not taken for granted. */
function wordsFor({ note, paths }: RestartNote, { live }: Parts): string {
  const more = paths.length - SHOWN
  const places = paths.slice(0, SHOWN).join(", ") + (more > 0 ? ` and ${more} more` : "")
  const what =
    live.mode === "configured"
      ? `The gateway runs again, with ${places} as changed.`
      : `The gateway runs again, but not with its configuration (${live.mode}): ${live.refused?.message ?? 'see "pincer status"'}.`
  return note === undefined ? what : `${what}\n\n${note}`
}

/** Between the answer and the restart. Throws INVALID_PARAMS. */
export function restartDelay(ms: number | undefined): number {
  if (ms === undefined) return 1_000
  if (!Number.isFinite(ms) || ms < 0 || ms > 600_000)
    throw new PincerError("INVALID_PARAMS", `restartDelayMs: ${ms} is not between 0 and 600000`)
  return Math.round(ms)
}
