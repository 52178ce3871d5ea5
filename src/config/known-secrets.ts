// The secrets that a gateway knows by value when it starts: what its configuration holds or refers to, and the variables of its
// environment whose names tell of one. Handed to the redactor, and to nobody else.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { isPlainPath, looksRandom, nameKind } from "../base/redact.ts"
import type { Env } from "./paths.ts"
import { resolveSecret } from "./secrets.ts"

export interface KnownSecretsInput {
  config: unknown
  env: Env
  /** Relative file references start here. */
  base: string
}

/** What people write where a local service wants some key, and other words that are no secret. */
const PLACEHOLDERS =
  /^(?:ollama|lm-?studio|vllm|llama\.?cpp|localai|empty|none|null|dummy|unused|anything|not[-_]?(?:needed|used|required)|no[-_]?key(?:[-_]?(?:needed|required))?|sk-no-key-required|true|false|enabled|disabled|required|optional|token|secret|password|changeme|default|bearer|basic|string|example|public|private|development|production)$/i

/** Every secret that can be told from the configuration and the environment. References that lead nowhere are left out. */
export function knownSecrets({ config, env, base }: KnownSecretsInput): Set<string> {
  const found = new Set<string>()
  const take = (value: string | undefined) => {
    const text = value?.trim() ?? ""
    if (text !== "" && !PLACEHOLDERS.test(text)) found.add(text)
  }
  for (const [name, value] of Object.entries(env)) if (value !== undefined) fromVariable(name, value, take)
  walk(config, [], { env, base, take })
  return found
}

interface Walk {
  env: Env
  base: string
  take: (value: string | undefined) => void
}

function walk(value: unknown, path: readonly string[], room: Walk): void {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) walk(item, [...path, String(i)], room)
    return
  }
  if (typeof value === "string") {
    fromText(value, path, room.take)
    return
  }
  if (!isObject(value)) return
  const keys = Object.keys(value)
  if (keys.length === 1 && typeof value["env"] === "string") room.take(room.env[value["env"]])
  else if (keys.length === 1 && typeof value["file"] === "string" && namesSecret(path))
    room.take(fromFile(value["file"], path.join("."), room))
  for (const [key, item] of Object.entries(value)) walk(item, [...path, key], room)
}

function namesSecret(path: readonly string[]): boolean {
  return nameKind(path.at(-1) ?? "") !== undefined || path.at(-2) === "credentials"
}

function fromText(value: string, path: readonly string[], take: Walk["take"]): void {
  const key = path.at(-1) ?? ""
  const parent = path.at(-2)
  if (/^(?:env|file|exec|keyring)$/.test(key) && namesSecret(path.slice(0, -1))) return
  const kind = nameKind(key)
  const free = parent === "headers" || parent === "env"
  if (kind === "strong" || parent === "credentials" || ((kind === "weak" || free) && looksRandom(value))) {
    take(value)
    // "Bearer x": x is the secret.
    take(/^[A-Za-z]+ +(\S{6,})$/.exec(value)?.[1])
  }
  take(passwordIn(value))
}

function fromVariable(name: string, value: string, take: Walk["take"]): void {
  const kind = nameKind(name)
  if (kind === "strong" ? !isPlainPath(value) : kind === "weak" && looksRandom(value)) take(value)
  take(passwordIn(value))
}

/** The password of a URL such as DATABASE_URL or a proxy's. */
function passwordIn(value: string): string | undefined {
  const found = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@:]*:([^\s/?#@]+)@/i.exec(value)?.[1]
  if (found === undefined) return undefined
  try {
    return decodeURIComponent(found)
  } catch (error) {
    if (error instanceof URIError) return found
    throw error
  }
}

function fromFile(file: string, name: string, { base, env }: Walk): string | undefined {
  try {
    return resolveSecret({ file }, { env, base, name })
  } catch (error) {
    // Whoever uses it says what is wrong with it.
    if (error instanceof PincerError) return undefined
    throw error
  }
}
