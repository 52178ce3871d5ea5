// The routes of IMClaw's web page that need no token (IM-HTTP-02 … 04): whether one is asked for, whether this is it, and which program
// answers. A token is tried here as at every other door: in constant time, and failures count against the address.
import { readFile, stat } from "node:fs/promises"
import type { IncomingMessage, ServerResponse } from "node:http"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { PincerError } from "../../base/errors.ts"
import type { Auth } from "../auth.ts"
import type { Parts } from "../parts.ts"
import { readJsonBody } from "./body.ts"
import { httpRefusal, sendJson } from "./refusal.ts"

/** Nobody has shown who he is yet: no more is read of him. */
const MAX_BYTES = 8 * 1024

export async function openRoutes(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  { auth, parts }: { auth: Auth; parts: Parts },
): Promise<void> {
  if (path === "/api/auth/check") sendJson(response, 200, { required: parts.config.gateway.auth.mode !== "none" })
  else if (path === "/api/build") sendJson(response, 200, { version: parts.version, ...(await origin()) })
  else await verify(request, response, auth, parts)
}

async function verify(request: IncomingMessage, response: ServerResponse, auth: Auth, parts: Parts): Promise<void> {
  const length = Number(request.headers["content-length"])
  if (!(length <= MAX_BYTES)) throw httpRefusal(413, `Send at most ${MAX_BYTES} bytes, and say how many`)
  const token = await tokenIn(request, parts)
  if (token === undefined) {
    sendJson(response, 400, { valid: false, error: "invalid request" })
    return
  }
  const identity = await auth.secret(request, token)
  if (!identity.ok && identity.error.code === "RATE_LIMITED") throw identity.error
  sendJson(response, 200, { valid: identity.ok })
}

/** Undefined when the body is no object with a token. */
async function tokenIn(request: IncomingMessage, parts: Parts): Promise<string | undefined> {
  try {
    const { token } = await readJsonBody(request, parts.clock)
    return typeof token === "string" ? token : undefined
  } catch (error) {
    // What has a status of its own (no JSON by its type, too slow) keeps it.
    if (error instanceof PincerError && error.code === "INVALID_PARAMS" && !error.details?.["http"]) return undefined
    throw error
  }
}

let known: Promise<{ time: string; commit: string }> | undefined

/** When the program's files were made, and from which commit where they lie in a checkout; "" for what nobody knows. */
function origin(): Promise<{ time: string; commit: string }> {
  known ??= (async () => {
    const here = fileURLToPath(import.meta.url)
    const { mtime } = await stat(here)
    const fromSource = here.endsWith(join("src", "gateway", "http", "build.ts"))
    return { time: mtime.toISOString(), commit: fromSource ? await checkedOut(join(here, "../../../../.git")) : "" }
  })()
  return known
}

async function checkedOut(folder: string): Promise<string> {
  const read = (name: string) => readFile(join(folder, name), "utf8").catch(() => "")
  const head = (await read("HEAD")).trim()
  const ref = /^ref: (refs\/[\w./-]+)$/.exec(head)?.[1]
  if (ref === undefined) return isCommit(head) ? head : ""
  const loose = (await read(ref)).trim()
  if (isCommit(loose)) return loose
  const packed = (await read("packed-refs")).split("\n").find((line) => line.endsWith(` ${ref}`))
  return packed?.split(" ")[0] ?? ""
}

function isCommit(text: string): boolean {
  return /^[0-9a-f]{40,64}$/.test(text)
}
