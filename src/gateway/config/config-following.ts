// What a gateway does about its configuration once it is ready: keeps what it came up with as good, watches the file, and tells
// everybody what changed. None of it delays the start.
import { existsSync } from "node:fs"
import { join } from "node:path"
import { PincerError } from "../../base/errors.ts"
import { keepLastGood } from "../../config/boot-record.ts"
import type { Env } from "../../config/paths.ts"
import type { Parts } from "../parts.ts"
import type { ConfigRefusal, ReloadCause, ReloadOutcome } from "./config-service.ts"

/** What config.changed tells. */
export interface ConfigNews {
  ts: number
  cause: ReloadCause
  ok: boolean
  /** Places that count now. */
  changed: string[]
  /** Places that wait for a restart. */
  restart: string[]
  /** Why the change was refused; the configuration before it goes on. */
  refused?: { message: string; issues: readonly unknown[] }
}

type Room = Pick<Parts, "live" | "clock" | "log" | "home" | "configPath" | "redactor">

const SETTLED_MS = 1_000
const RESTART_NOTE = "restart-note.json"

/** `tell` gets the payload of config.changed. The returned function ends it. */
export function followConfig(room: Parts, env: Env, tell: (news: ConfigNews) => void): () => void {
  const { clock, live } = room
  live.onReload = (cause, outcome) => {
    if (!("message" in outcome)) keep(room)
    tell(newsOf(clock.now(), cause, outcome))
  }
  live.onLoaded = () => renewSecrets(room, env)
  renewSecrets(room, env)
  sayBack(room)
  let stopWatching: (() => void) | undefined
  let isOver = false
  const cancel = clock.after(SETTLED_MS, () => keep(room))
  import("./config-watch.ts")
    .then(({ watchConfig }) => {
      if (!isOver) stopWatching = watchConfig({ ...room, path: room.configPath })
    })
    .catch((error: unknown) => room.log.error({ err: error }, "The configuration file is not watched"))
  return () => {
    isOver = true
    cancel()
    stopWatching?.()
  }
}

/** It was started anew for a change: who asked for that is told. */
function sayBack(parts: Parts): void {
  if (!existsSync(join(parts.home, RESTART_NOTE))) return
  import("./restart-note.ts")
    .then(({ tellRestart }) => tellRestart(parts))
    .catch((error: unknown) => parts.log.warn({ err: error }, "That the gateway is back was not told"))
}

function newsOf(ts: number, cause: ReloadCause, outcome: ReloadOutcome | ConfigRefusal): ConfigNews {
  if (!("message" in outcome)) return { ts, cause, ok: true, changed: outcome.changed, restart: outcome.restart }
  const { issues, message } = outcome
  return { ts, cause, ok: false, changed: [], restart: [], refused: { message, issues } }
}

/** Programs that print secrets are run ahead, so that nobody who needs one waits for them. */
function renewSecrets({ live, log, redactor }: Room, env: Env): void {
  const config = live.current()
  if (!/"(?:exec|keyring)":/.test(JSON.stringify(config))) return
  import("../../config/secret-command.ts")
    .then(({ runSecretCommands }) => runSecretCommands(config, env, (secret) => redactor.add(secret)))
    .then((problems) => {
      for (const problem of problems) log.warn({}, problem)
    })
    .catch((error: unknown) => log.error({ err: error }, "The programs that print secrets could not be run"))
}

/** An absent file is as good as an empty object. */
function keep({ home, live, log }: Room): void {
  if (live.mode !== "configured") return
  try {
    keepLastGood(home, live.text ?? "{}\n")
  } catch (error) {
    const why = error instanceof PincerError ? error.message : String(error)
    log.warn({ why }, "The configuration that works could not be kept for a later start")
  }
}
