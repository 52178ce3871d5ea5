// The words after `pincer acp` without the command tree: an editor waits for the first answer, and building the tree takes longer than
// all the rest.
import { parseArgs } from "node:util"
import { PincerError } from "../base/errors.ts"
import type { AcpFlags } from "./acp.ts"
import type { GlobalFlags } from "./cli.ts"

const text = { type: "string" } as const
const flag = { type: "boolean" } as const

const OPTIONS = {
  url: text,
  "gateway-url": text,
  token: { ...text, short: "t" },
  "gateway-token": text,
  "token-file": text,
  password: text,
  "gateway-password": text,
  "password-file": text,
  session: text,
  "session-label": text,
  "require-existing": flag,
  "reset-session": flag,
  "no-prefix-cwd": flag,
  provenance: text,
  verbose: { ...flag, short: "v" },
  "protocol-2": flag,
  server: { ...text, short: "s" },
  "ca-file": text,
  home: text,
  profile: text,
  config: text,
  standalone: flag,
} as const

/** Words that the command tree must see: help, and the commands below `acp`. */
export function needsTree(words: readonly string[]): boolean {
  return (
    words.some((word) => word === "-h" || word === "--help") || (words[0] !== undefined && !words[0].startsWith("-"))
  )
}

/** Throws INVALID_PARAMS for a word that means nothing. */
export function readAcpWords(words: readonly string[]): { global: GlobalFlags; acp: AcpFlags } {
  const { values } = parsed(words)
  const token = values.token ?? values["gateway-token"]
  const password = values.password ?? values["gateway-password"]
  const global: GlobalFlags = {
    ...(token === undefined ? {} : { token }),
    ...(values["token-file"] === undefined ? {} : { tokenFile: values["token-file"] }),
    ...(values.server === undefined ? {} : { server: values.server }),
    ...(values["ca-file"] === undefined ? {} : { caFile: values["ca-file"] }),
    ...(values.home === undefined ? {} : { home: values.home }),
    ...(values.profile === undefined ? {} : { profile: values.profile }),
    ...(values.config === undefined ? {} : { config: values.config }),
    ...(values.standalone ? { standalone: true } : {}),
    ...(values.verbose ? { verbose: true } : {}),
  }
  const acp: AcpFlags = {
    url: values.url ?? values["gateway-url"],
    password,
    passwordFile: values["password-file"],
    session: values.session,
    sessionLabel: values["session-label"],
    requireExisting: values["require-existing"],
    resetSession: values["reset-session"],
    prefixCwd: !values["no-prefix-cwd"],
    provenance: values.provenance,
    verbose: values.verbose,
    protocol2: values["protocol-2"],
  }
  return { global, acp }
}

function parsed(words: readonly string[]) {
  try {
    return parseArgs({ args: [...words], options: OPTIONS, strict: true, allowPositionals: false })
  } catch (error) {
    const said = error instanceof Error ? error.message.replace(/'/g, '"').replace(/\. .*$/s, "") : String(error)
    throw new PincerError("INVALID_PARAMS", `${said}: see "pincer acp --help"`, { cause: error })
  }
}
