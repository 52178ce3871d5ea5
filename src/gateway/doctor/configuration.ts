// Checks of the configuration and of what must stay secret: whether it can be used, who can read it, and how strong the token is.
import { lstatSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { asPincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import { formatPath } from "../../config/document.ts"
import { MAX_CONFIG_BYTES } from "../../config/load.ts"
import { holdsPlainSecret } from "../../config/redact.ts"
import { resolveSecret } from "../../config/secrets.ts"
import { configuredWarnings } from "../policy/policy-warnings.ts"
import {
  type Change,
  type Check,
  type CheckFinding,
  type DoctorRoom,
  EDIT_CONFIG,
  NO_CONFIG,
  ok,
  openBits,
  problem,
  skipped,
  warning,
} from "./check.ts"
import { withoutSlips } from "./spelling-repair.ts"

const MIN_TOKEN = 24
/** Files at the top of a home that hold something that others could use. */
const PRIVATE = /\.(?:key|token|anchor|db|db-wal|db-shm|json|bak|env|pem)(?:\..*)?$/

function valid({ config, paths }: DoctorRoom): CheckFinding {
  if ("refused" in config) return problem(config.refused, EDIT_CONFIG, slips(paths.config))
  const { path, text, warnings } = config.loaded
  if (warnings.length > 0) return warning(warnings.join(" "))
  return ok(text === undefined ? `${path} does not exist: the defaults count` : `${path} is valid`)
}

/** Keys with a slip in their names can be put right; anything else is for a person. */
function slips(path: string): Change[] {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (!stat?.isFile() || stat.size > MAX_CONFIG_BYTES) return []
  const before = readFileSync(path, "utf8")
  const after = withoutSlips(before)
  return after === undefined ? [] : [{ type: "write", path, before, after }]
}

function lists({ config }: DoctorRoom): CheckFinding {
  if ("refused" in config) return skipped(NO_CONFIG)
  const found = configuredWarnings(config.loaded.config)
  return found.length === 0 ? ok("The rules mean what they say") : warning(found.join(" "), EDIT_CONFIG)
}

function configMode({ paths }: DoctorRoom): CheckFinding {
  const stat = statSync(paths.config, { throwIfNoEntry: false })
  if (!stat) return ok("There is no config file to protect")
  const mode = stat.mode & 0o777
  const repair: Change[] = [{ type: "mode", path: paths.config, from: mode, to: 0o600 }]
  if ((mode & 0o022) !== 0 && openBits(mode) !== 0)
    return problem(`Other users of this machine can change ${paths.config}`, `chmod 600 ${paths.config}`, repair)
  if (openBits(mode) !== 0)
    return warning(`Other users of this machine can read ${paths.config}`, `chmod 600 ${paths.config}`, repair)
  return ok(`${paths.config} is yours alone`)
}

function plainSecrets({ config }: DoctorRoom): CheckFinding {
  if ("refused" in config) return skipped(NO_CONFIG)
  if (!holdsPlainSecret(config.loaded.config)) return ok("The configuration names its secrets and holds none")
  const text = `${config.loaded.path} holds secrets itself: whoever gets a copy of it has them`
  return warning(text, 'pincer config set providers.<name>.apiKey \'{"env": "NAME"}\'')
}

function tokenFile({ paths: { token } }: DoctorRoom): CheckFinding {
  const stat = lstatSync(token, { throwIfNoEntry: false })
  if (!stat) return ok("No token was made yet: the gateway makes one when it first starts")
  const again = `rm ${token} && pincer gateway restart`
  if (stat.isSymbolicLink()) return problem(`${token} is a link: it could lead to somebody else's file`, again)
  const me = process.getuid?.()
  if (me !== undefined && stat.uid !== me) return problem(`${token} belongs to another user`, again)
  if (openBits(stat.mode) === 0) return ok(`${token} is yours alone`)
  const repair: Change[] = [{ type: "mode", path: token, from: stat.mode & 0o777, to: 0o600 }]
  return problem(`Other users of this machine can read ${token}: close it, then make another`, again, repair)
}

function tokenStrength(room: DoctorRoom): CheckFinding {
  if ("refused" in room.config) return skipped(NO_CONFIG)
  const { mode } = room.config.loaded.config.gateway.auth
  if (mode === "none" || mode === "trusted-proxy") return ok(`gateway.auth.mode is "${mode}": there is no token`)
  const name = mode === "password" ? "gateway.auth.password" : "gateway.auth.token"
  try {
    const given = room.token ?? ownToken(room, name)
    if (given === undefined) return ok("The token is made by the gateway: 32 random bytes")
    const rotate = `pincer config unset ${name} && pincer gateway restart`
    if (given.length < 12) return problem(`The ${mode} has ${given.length} characters: it can be guessed`, rotate)
    if (given.length < MIN_TOKEN || new Set(given).size < 8)
      return warning(`The ${mode} is short or repeats itself`, rotate)
    return ok(`The ${mode} is long enough`)
  } catch (error) {
    return problem(asPincerError(error).message, EDIT_CONFIG)
  }
}

/** The shared secret that the user chose; undefined where the gateway makes its own. */
function ownToken({ config, env, paths }: DoctorRoom, name: string): string | undefined {
  const variable = env["PINCER_GATEWAY_TOKEN"]?.trim()
  if (variable) return variable
  if ("refused" in config) return undefined
  const { auth } = config.loaded.config.gateway
  const ref = auth.mode === "password" ? auth.password : auth.token
  return ref === undefined ? undefined : resolveSecret(ref, { env, base: paths.home, name })
}

/** Modes of everything at the top of the home that is not for others. */
function secretFiles({ paths: { home, token, config } }: DoctorRoom): CheckFinding {
  if (!statSync(home, { throwIfNoEntry: false })?.isDirectory()) return ok("There are none yet")
  const open: Change[] = []
  for (const name of readdirSync(home)) {
    const path = join(home, name)
    if (path === token || path === config || !PRIVATE.test(name)) continue
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat?.isFile() && openBits(stat.mode) !== 0)
      open.push({ type: "mode", path, from: stat.mode & 0o777, to: 0o600 })
  }
  if (open.length === 0) return ok("The home's keys, database and records are yours alone")
  const paths = open.map(({ path }) => path)
  return problem(`Other users of this machine can read ${paths.join(", ")}`, `chmod 600 ${paths.join(" ")}`, open)
}

/** Every {env} and {file} of the configuration leads somewhere. */
function references({ config, env, inside, paths }: DoctorRoom): CheckFinding {
  if ("refused" in config) return skipped(NO_CONFIG)
  const broken: string[] = []
  for (const { name, ref } of referencesIn(config.loaded.config, [])) {
    // A gateway that runs had its variables when it started.
    if (inside && "env" in ref) continue
    try {
      resolveSecret(ref, { env, base: paths.home, name })
    } catch (error) {
      broken.push(asPincerError(error).message)
    }
    if ("file" in ref) broken.push(...readableByOthers(ref.file, paths.home))
  }
  if (broken.length === 0) return ok("Every secret that the configuration names is there")
  return warning(broken.join(" "), EDIT_CONFIG)
}

function readableByOthers(file: string, home: string): string[] {
  const stat = statSync(file.startsWith("/") ? file : join(home, file), { throwIfNoEntry: false })
  return stat && openBits(stat.mode) !== 0 ? [`Other users of this machine can read ${file}: chmod 600 ${file}.`] : []
}

type Reference = { env: string } | { file: string }

function referencesIn(value: unknown, path: (string | number)[]): { name: string; ref: Reference }[] {
  if (Array.isArray(value)) return value.flatMap((item, i) => referencesIn(item, [...path, i]))
  if (!isObject(value)) return []
  const [key, ...more] = Object.keys(value)
  const only = key === undefined || more.length > 0 ? undefined : value[key]
  // A map of variables that holds one called "env" or "file" is no reference.
  const within = path.at(-1)
  if (within !== "env" && within !== "headers" && typeof only === "string") {
    if (key === "env") return [{ name: formatPath(path), ref: { env: only } }]
    if (key === "file") return [{ name: formatPath(path), ref: { file: only } }]
  }
  return Object.entries(value).flatMap(([name, item]) => referencesIn(item, [...path, name]))
}

/** The start that failed last, and where the reason stands. */
function lastStart({ paths, running }: DoctorRoom): CheckFinding {
  const file = join(paths.home, "logs", "start.log")
  const stat = statSync(file, { throwIfNoEntry: false })
  if (running || !stat || stat.size === 0) return ok("Nothing is known of a start that failed")
  const said = readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .findLast((line) => /^pincer: /.test(line))
  return said === undefined
    ? ok("Nothing is known of a start that failed")
    : warning(`The last start in the background failed: ${said.slice(8, 500)}`, "pincer gateway run")
}

export const configurationChecks: readonly Check[] = [
  { id: "config.valid", category: "configuration", about: "the configuration can be used", run: valid },
  {
    id: "policy.lists",
    category: "configuration",
    about: "the rules of policies mean what they say",
    security: true,
    run: lists,
  },
  {
    id: "gateway.lastStart",
    category: "gateway",
    about: "why the last start in the background failed",
    run: lastStart,
  },
  {
    id: "config.permissions",
    category: "secrets",
    about: "nobody else reads or changes the config file",
    security: true,
    run: configMode,
  },
  {
    id: "config.secrets",
    category: "secrets",
    about: "secrets are named in the configuration, not written into it",
    security: true,
    run: plainSecrets,
  },
  { id: "token.file", category: "secrets", about: "the token's file is yours alone", security: true, run: tokenFile },
  {
    id: "token.strength",
    category: "secrets",
    about: "a token of your own cannot be guessed",
    security: true,
    run: tokenStrength,
  },
  {
    id: "secrets.files",
    category: "secrets",
    about: "keys, database and records are yours alone",
    security: true,
    run: secretFiles,
  },
  {
    id: "secrets.references",
    category: "secrets",
    about: "every secret that is named is there, and nobody else reads it",
    security: true,
    run: references,
  },
]
