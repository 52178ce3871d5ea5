// The body of a POST: application/json only (a form or text/plain body needs no preflight, so another site's page could send
// one), capped while it arrives, due within a deadline, and depth-capped before it is parsed.
import { isUtf8 } from "node:buffer"
import type { IncomingMessage } from "node:http"
import type { Clock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { isObject, parseJson } from "../../base/json.ts"
import { httpRefusal } from "./refusal.ts"

/** Bytes of a request body (protocol §10.2). */
export const MAX_BODY_BYTES = 20 * 1024 * 1024
/** All of it must have arrived within this, ms. */
const BODY_DEADLINE_MS = 45_000
/** How long the rest of a refused body is thrown away, so that its sender gets to read the refusal. */
const DISCARD_MS = 5_000

/** Throws 415, TOO_LARGE, 408, INVALID_PARAMS (not UTF-8, not JSON, too deep, not an object). */
export async function readJsonBody(request: IncomingMessage, clock: Clock): Promise<Record<string, unknown>> {
  const body = parseText(await readJsonText(request, clock))
  if (!isObject(body)) throw new PincerError("INVALID_PARAMS", "The body must be a JSON object")
  return body
}

/** The text of a JSON body, not parsed yet. Throws like readJsonBody. */
export async function readJsonText(request: IncomingMessage, clock: Clock): Promise<string> {
  requireJson(request)
  const bytes = await readBytes(request, clock)
  if (isUtf8(bytes)) return bytes.toString("utf8")
  throw new PincerError("INVALID_PARAMS", "The body is not valid UTF-8: send JSON in UTF-8")
}

function parseText(text: string): unknown {
  try {
    return parseJson(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const why = /nests deeper/.test(error.message) ? error.message : "not valid JSON"
    throw new PincerError("INVALID_PARAMS", `The body is refused: ${why}`, { cause: error })
  }
}

function requireJson(request: IncomingMessage): void {
  const type = (request.headers["content-type"] ?? "").split(";", 1)[0]!.trim().toLowerCase()
  if (type !== "application/json")
    throw httpRefusal(415, `Content-Type "${type || "none"}" is not accepted here: send application/json`)
  const encoding = request.headers["content-encoding"]
  if (encoding !== undefined && encoding !== "identity")
    throw httpRefusal(415, `Content-Encoding "${encoding}" is not accepted: send the JSON as it is`)
}

function tooLarge(): PincerError {
  return new PincerError("TOO_LARGE", `The body is larger than the ${MAX_BODY_BYTES} bytes that are accepted`)
}

function readBytes(request: IncomingMessage, clock: Clock): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const stopTimer = clock.after(BODY_DEADLINE_MS, () =>
      stop(httpRefusal(408, `The body did not arrive within ${BODY_DEADLINE_MS / 1000} seconds`)),
    )
    function stop(error: PincerError): void {
      finish()
      discard(request, clock)
      reject(error)
    }
    function finish(): void {
      stopTimer()
      request.off("data", onData).off("end", onEnd).off("close", onClose)
    }
    function onData(chunk: Buffer): void {
      size += chunk.length
      if (size > MAX_BODY_BYTES) stop(tooLarge())
      else chunks.push(chunk)
    }
    function onEnd(): void {
      finish()
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size))
    }
    function onClose(): void {
      finish()
      reject(new PincerError("ABORTED", "The connection was closed before the body had arrived"))
    }
    if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES) stop(tooLarge())
    else request.on("data", onData).on("end", onEnd).on("close", onClose)
  })
}

/** Reads on without keeping anything for a while; then the connection is closed. */
export function discard(request: IncomingMessage, clock: Clock): void {
  if (request.complete) return
  request.resume()
  const stopTimer = clock.after(DISCARD_MS, () => {
    if (!request.complete) request.socket.destroy()
  })
  request.once("close", stopTimer)
}
