// Sign-ins of MCP servers in this gateway: one object for each server and address, and what is kept of each in a 0600 file of its own
// under <home>/mcp-logins. Whoever renews or forgets one holds a lock that the kernel lets go with the process.
import { closeSync, constants, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { makeFolder } from "../../base/folder.ts"
import { isObject, parseJson } from "../../base/json.ts"
import type { Logger } from "../../base/log.ts"
import type { Redactor } from "../../base/redact.ts"
import { holdLock } from "../../config/claim.ts"
import type { McpServerSettings } from "../../config/mcp.ts"
import type { Env } from "../../config/paths.ts"
import { readRegularFile } from "../../config/regular-file.ts"
import { resolveSecret } from "../../config/secrets.ts"
import { type LoginRecord, type LoginShelf, ServerLogin } from "../../tools/mcp/server-login.ts"
import type { LiveConfig } from "../config/live-config.ts"

const MAX_BYTES = 256 * 1024
const RETRY_MS = 50

export interface LoginsParts {
  live: LiveConfig
  env: Env
  home: string
  clock: Clock
  log: Logger
  redactor: Redactor
}

export class McpLogins {
  readonly #parts: LoginsParts
  readonly #logins = new Map<string, { key: string; login: ServerLogin }>()
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(parts: LoginsParts) {
    this.#parts = parts
  }

  /** Undefined for programs, and for addresses whose headers say who we are. */
  of(name: string, { headers, oauth, url }: McpServerSettings): ServerLogin | undefined {
    if (url === undefined || oauth === false) return undefined
    if (Object.keys(headers).some((header) => header.toLowerCase() === "authorization")) return undefined
    const key = JSON.stringify([url, oauth])
    const known = this.#logins.get(name)
    if (known?.key === key) return known.login
    const { clock, env, home, live, log, redactor } = this.#parts
    const { clientId, clientSecret, scope } = oauth ?? {}
    const place = `tools.mcpServers.${name}.oauth.clientSecret`
    const read = () =>
      clientSecret === undefined ? undefined : resolveSecret(clientSecret, { env, base: home, name: place })
    const login = new ServerLogin(name, url, {
      ...{ clock, log },
      shelf: this.#shelf(name),
      allowHosts: () => live.current().tools.fetch.allowHosts,
      hide: (secret) => redactor.add(secret),
      ...(clientId === undefined ? {} : { client: { id: clientId, secret: read } }),
      ...(scope === undefined ? {} : { scope }),
    })
    this.#logins.set(name, { key, login })
    return login
  }

  #shelf(server: string): LoginShelf {
    const { clock, home, log } = this.#parts
    const path = join(home, "mcp-logins", `${server.toLowerCase()}.json`)
    return {
      read: () => readRecord(path, server, log),
      write: (record) => writeRecord(path, record),
      remove: () => rmSync(path, { force: true }),
      alone: (run, signal) => this.#inTurn(path, () => locked(path, clock, signal, run)),
    }
  }

  /** The lock is the process's: within it, one waits for the other here. */
  async #inTurn<T>(path: string, run: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(path) ?? Promise.resolve()
    const mine = before.then(run, run)
    // What went wrong is told to whoever asked for it.
    const done = mine.catch(() => undefined)
    this.#turns.set(path, done)
    try {
      return await mine
    } finally {
      if (this.#turns.get(path) === done) this.#turns.delete(path)
    }
  }
}

async function locked<T>(path: string, clock: Clock, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  makeFolder(dirname(path))
  for (;;) {
    const release = holdLock(`${path}.lock`)
    if (release) {
      try {
        return await run()
      } finally {
        release()
      }
    }
    await clock.sleep(RETRY_MS, signal)
  }
}

function readRecord(path: string, server: string, log: Logger): LoginRecord | undefined {
  const file = readRegularFile(path, "The sign-in", MAX_BYTES, constants.O_NOFOLLOW)
  if (!file) return undefined
  const record = recordIn(parsed(file.bytes.toString("utf8")))
  if (!record) log.warn({ server }, "What was kept of a sign-in is damaged: sign in again")
  return record
}

function parsed(text: string): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof PincerError) return undefined
    throw error
  }
}

function recordIn(value: unknown): LoginRecord | undefined {
  if (!isObject(value) || !isObject(value["metadata"])) return undefined
  const needed = ["url", "issuer", "clientId", "accessToken"].every((key) => typeof value[key] === "string")
  const rest = ["clientSecret", "resource", "scope", "refreshToken"].every((key) =>
    /^(?:string|undefined)$/.test(typeof value[key]),
  )
  if (!needed || !rest || typeof value["metadata"]["token_endpoint"] !== "string") return undefined
  return value as unknown as LoginRecord
}

/** Whole or not at all, and on the disk before the old tokens are forgotten by whoever gave them. */
function writeRecord(path: string, record: LoginRecord): void {
  makeFolder(dirname(path))
  const draft = `${path}.tmp`
  rmSync(draft, { force: true })
  const fd = openSync(draft, "wx", 0o600)
  try {
    writeSync(fd, JSON.stringify(record))
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(draft, path)
}
