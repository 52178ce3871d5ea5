// `pincer acp`: this program as an ACP agent on standard input and output. Nothing but protocol is ever written to standard output;
// what there is to say otherwise goes to standard error.
import { constants } from "node:fs"
import { systemClock } from "../base/clock.ts"
import { asPincerError, ERROR_TABLE, PincerError } from "../base/errors.ts"
import { LineReader } from "../base/lines.ts"
import type { Logger } from "../base/log.ts"
import { expandPath } from "../config/paths.ts"
import { readRegularFile } from "../config/regular-file.ts"
import { GatewayLink, type OpenLink } from "./acp-link.ts"
import type { Cli } from "./cli.ts"
import { findGateway, gatewayUrl, openClient, PATIENT } from "./connect.ts"
import { inert } from "./inert.ts"

export interface AcpFlags {
  url?: string
  password?: string
  passwordFile?: string
  session?: string
  sessionLabel?: string
  requireExisting?: boolean
  resetSession?: boolean
  /** Accepted: the folder goes with each turn, and never into what the user says. */
  prefixCwd?: boolean
  provenance?: string
  verbose?: boolean
  protocol2?: boolean
}

/** What lies in a room that the command line does not know. */
export interface BridgeRoom {
  Bridge: new (options: {
    gateway: GatewayLink
    settings: {
      version: string
      session?: string
      sessionLabel?: string
      requireExisting?: boolean
      resetSession?: boolean
      provenance: "off" | "meta" | "meta+receipt"
      offerV2?: boolean
    }
    send(text: string): void
    after(ms: number, fn: () => void): () => void
    now(): number
    log: Logger
  }) => {
    receive(text: string): void
    refuseTooLong(bytes: number): void
    end(): Promise<void>
  }
}

/** Images travel in one line. */
const MAX_LINE_BYTES = 48 * 1024 * 1024
const MAX_SECRET_BYTES = 16 * 1024
const END_MS = 2_000

/** Serves until the client goes. Resolves with the exit code. Throws what is wrong with the flags. */
export async function serveAcp(cli: Cli, flags: AcpFlags, room: () => Promise<BridgeRoom>): Promise<number> {
  const send = takeStdout()
  const provenance = provenanceOf(flags.provenance)
  const { open, mayReopen } = wayTo(cli, flags)
  const link = new GatewayLink(open, mayReopen)
  const { Bridge } = await room()
  const { session, sessionLabel, requireExisting, resetSession, protocol2 } = flags
  const bridge = new Bridge({
    gateway: link,
    settings: {
      version: cli.version,
      provenance,
      ...(session === undefined ? {} : { session }),
      ...(sessionLabel === undefined ? {} : { sessionLabel }),
      ...(requireExisting ? { requireExisting } : {}),
      ...(resetSession ? { resetSession } : {}),
      ...(protocol2 ? { offerV2: true } : {}),
    },
    send,
    after: systemClock.after,
    now: systemClock.now,
    log: logTo(cli, flags.verbose === true || cli.verbose),
  })
  const code = await untilOver(cli, link, bridge)
  await Promise.race([bridge.end().then(() => link.close()), systemClock.sleep(END_MS)])
  return code
}

type Served = InstanceType<BridgeRoom["Bridge"]>

function untilOver(cli: Cli, link: GatewayLink, bridge: Served): Promise<number> {
  return new Promise((done) => {
    let over = false
    const resolve = (code: number) => {
      over = true
      done(code)
    }
    const reader = new LineReader(MAX_LINE_BYTES, {
      line: (text) => bridge.receive(text),
      tooLong: (bytes) => bridge.refuseTooLong(bytes),
    })
    process.stdin.on("data", (chunk: Buffer) => reader.push(chunk))
    process.stdin.once("end", () => {
      reader.end()
      resolve(0)
    })
    process.stdin.once("error", () => resolve(0))
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve(0))
    link.opened.catch((error: unknown) => {
      if (over) return
      const refusal = asPincerError(error)
      cli.err.line(`pincer acp: ${inert(refusal.message)}`)
      // Requests that wait for it are refused first.
      setImmediate(() => resolve(ERROR_TABLE[refusal.code].exit))
    })
  })
}

/** Only the bridge writes to standard output from now on; whoever else does lands on standard error. */
function takeStdout(): (text: string) => void {
  const { stdout, stderr } = process
  const write = stdout.write.bind(stdout)
  stdout.write = stderr.write.bind(stderr) as typeof stdout.write
  return (text) => void write(`${text}\n`)
}

function provenanceOf(word: string | undefined): "off" | "meta" | "meta+receipt" {
  if (word === undefined || word === "off") return "off"
  if (word === "meta" || word === "meta+receipt") return word
  throw new PincerError("INVALID_PARAMS", `--provenance cannot be "${word}": choose off, meta or meta+receipt`)
}

/** An address that was given gets the secrets that were given with it, and never those of this machine (OC-AUTH-04). */
function wayTo(cli: Cli, flags: AcpFlags): { open: () => Promise<OpenLink>; mayReopen: boolean } {
  const token = secretOf(cli, flags)
  const { tokenFile: _file, token: _token, ...others } = cli.flags
  const known: Cli = { ...cli, flags: { ...others, ...(token === undefined ? {} : { token }) } }
  if (flags.url !== undefined) {
    const url = gatewayUrl(flags.url, "--url").href.replace(/\/$/, "")
    return { open: () => opened(known, { url, token }), mayReopen: false }
  }
  return {
    mayReopen: known.flags.server === undefined,
    open: async () => {
      const target = await findGateway(known, "start")
      try {
        return await opened(known, target, () => target.close())
      } catch (error) {
        await target.close()
        throw error
      }
    },
  }
}

async function opened(
  cli: Cli,
  target: { url: string; token: string | undefined },
  close: () => Promise<void> = async () => undefined,
): Promise<OpenLink> {
  const client = await openClient(cli, target, {
    reconnect: PATIENT,
    caps: ["approvals"],
  })
  return {
    client,
    close: async () => {
      client.close()
      await close()
    },
  }
}

/** The one secret that was given, by whichever flag; the gateway knows token and password as the same. */
function secretOf(cli: Cli, flags: AcpFlags): string | undefined {
  const given: [string, string | undefined, string | undefined][] = [
    ["token", cli.flags.token, cli.flags.tokenFile],
    ["password", flags.password, flags.passwordFile],
  ]
  const found = given.flatMap(([kind, text, file]) => {
    if (text !== undefined && file !== undefined)
      throw new PincerError("INVALID_PARAMS", `Pass either --${kind} or --${kind}-file, not both`)
    if (text !== undefined) {
      cli.err.line(`pincer acp: --${kind} can be seen in lists of processes; --${kind}-file shows it to fewer eyes`)
      return [[`--${kind}`, text.trim()] as const]
    }
    return file === undefined ? [] : [[`--${kind}-file`, secretFile(cli, kind, file)] as const]
  })
  const values = new Set(found.map(([, value]) => value))
  if (values.size > 1)
    throw new PincerError("CONFLICT", `${found.map(([flag]) => flag).join(" and ")} differ: pass the one that is meant`)
  const [[flag, value] = []] = found
  if (value !== undefined && (value === "" || /[\u0000-\u001f\u007f]/.test(value)))
    throw new PincerError("INVALID_PARAMS", `${flag} is empty or holds a line break: it must be one line`)
  return value
}

function secretFile(cli: Cli, kind: string, given: string): string {
  const path = expandPath(given, cli.env, cli.cwd)
  const what = `The ${kind} file`
  try {
    const file = readRegularFile(path, what, MAX_SECRET_BYTES, constants.O_NOFOLLOW)
    if (!file) throw new PincerError("NOT_FOUND", `${what} ${path} is not there`)
    return file.bytes.toString("utf8").trim()
  } catch (error) {
    if (!(error instanceof PincerError) || !error.message.includes("ELOOP")) throw error
    throw new PincerError("INVALID_PARAMS", `${what} ${path} is a symbolic link: name the file itself`, {
      cause: error,
    })
  }
}

function logTo(cli: Cli, verbose: boolean): Logger {
  const line = (level: string) => (fields: object, message: string) => {
    const { err, reason } = fields as { err?: unknown; reason?: unknown }
    const why = err instanceof Error ? `: ${err.message}` : typeof reason === "string" ? `: ${reason}` : ""
    cli.err.line(inert(`pincer acp: ${level}${message}${why}`))
  }
  const quiet = () => undefined
  const log: Logger = {
    debug: verbose ? line("") : quiet,
    info: verbose ? line("") : quiet,
    warn: verbose ? line("") : quiet,
    error: line(""),
    child: () => log,
  }
  return log
}
