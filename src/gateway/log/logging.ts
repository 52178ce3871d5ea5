// The gateway's log: JSON lines into a file that is put aside by size under the time when that was, and short lines to the terminal when it runs in the foreground.
// Secrets are taken out of every line before it is written: by field, and then once more from the line as a whole.
import { dirname } from "node:path"
import { pino } from "pino"
import { makeFolder } from "../../base/folder.ts"
import { isObject } from "../../base/json.ts"
import type { Logger } from "../../base/log.ts"
import { patternsOnly, type Redactor } from "../../base/redact.ts"
import { LogFile, type LogFileOptions } from "./log-file.ts"

export interface LogOptions extends LogFileOptions {
  level: "debug" | "info" | "warn" | "error"
  /** Where people read along; undefined for none. */
  terminal?: (line: string) => void
  redactor?: Redactor
}

export interface GatewayLog {
  log: Logger
  /** From now on nothing below this level. */
  setLevel(level: LogOptions["level"]): void
  /** Resolves when what was logged is in the file. */
  close(): Promise<void>
}

/** Opens the log. Throws the file system's error when its folder cannot be written. */
export function openLog(options: LogOptions): GatewayLog {
  makeFolder(dirname(options.path))
  const file = new LogFile(options)
  const redactor = options.redactor ?? patternsOnly
  const log = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        log: (fields) => redactor.value(withPlainErrors(fields)),
        bindings: (fields) => redactor.value(fields),
      },
    },
    {
      write(line: string) {
        const shown = withoutSecrets(line, redactor)
        file.write(shown, !CALM.test(shown))
        options.terminal?.(short(shown))
      },
    },
  )
  return {
    log,
    setLevel(level) {
      log.level = level
    },
    close: () => file.close(),
  }
}

/** Lines of the levels below "warn", as pino begins them. */
const CALM = /^\{"level":[123]0,/

/** Errors as plain fields, so that theirs are looked at too. */
function withPlainErrors(fields: Record<string, unknown>): Record<string, unknown> {
  return fields["err"] instanceof Error ? { ...fields, err: { ...pino.stdSerializers.err(fields["err"]) } } : fields
}

/** The line without what was found in it; where that would break its JSON, only what it says remains. */
function withoutSecrets(line: string, redactor: Redactor): string {
  const shown = redactor.text(line)
  if (shown === line || parses(shown)) return shown
  const fields: unknown = JSON.parse(line)
  const { level, time, msg } = isObject(fields) ? fields : {}
  return `${JSON.stringify({ level, time, msg: redactor.text(String(msg)) })}\n`
}

function parses(line: string): boolean {
  try {
    return isObject(JSON.parse(line))
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}

const LEVELS: Readonly<Record<number, string>> = { 20: "debug", 30: "info", 40: "warn", 50: "error" }

/** A log line as people like it: time, level, sentence, the fields that matter. Control characters are made visible. */
function short(line: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>
  const details = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  )
  const cause = typeof err === "object" && err !== null && "message" in err ? `(${String(err.message)})` : ""
  const text = [String(time).slice(11, 19), LEVELS[Number(level)] ?? "", String(msg), ...details, cause]
    .filter(Boolean)
    .join(" ")
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`)
}
