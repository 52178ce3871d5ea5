// OpenAI chat completions and everything that speaks them.
import { Readable } from "node:stream"
import { asRefusal, failureOf } from "../failure.ts"
import { postStream, send } from "../http.ts"
import { bearer, embed, listModels } from "../openai.ts"
import type { Provider } from "../provider.ts"
import type { ProviderSettings } from "../settings.ts"
import { decodeStream } from "../stream.ts"
import { ChatDecoder } from "./decode.ts"
import { encodeChat } from "./encode.ts"

const PATH = "/chat/completions"
/** Statuses with which a Response takes no body. */
const BODILESS = [204, 205, 304]

export function openaiChat(settings: ProviderSettings): Provider {
  return {
    id: settings.id,
    wire: "openai-chat",
    stream: (request, signal) => {
      const decoder = new ChatDecoder(request, settings)
      const body = () => encodeChat(request, settings)
      return decodeStream(
        () => postStream(settings, PATH, body(), bearer(settings), signal, () => decoder.isOver),
        decoder,
      )
    },
    listModels: (signal) => listModels(settings, signal),
    embed: (request, signal) => embed(settings, request, signal),
    relay: (body, signal) => relay(settings, body, signal),
  }
}

/**
 * Byte for byte: what the service answers is handed back unread, whatever its status. Silence for stallMs breaks the body off. An
 * answer in one piece is written before its head is sent, so that it may take as long as a stream may be silent.
 */
async function relay(
  settings: ProviderSettings,
  body: Record<string, unknown>,
  signal: AbortSignal,
): Promise<Response> {
  try {
    const { connectTimeoutMs, stallMs } = settings
    const headMs = body["stream"] === true ? connectTimeoutMs : Math.max(connectTimeoutMs, stallMs)
    const ask = { method: "POST", path: PATH, headers: bearer(settings), body: JSON.stringify(body), headMs } as const
    const sent = await send(settings, ask, signal)
    const { response } = sent
    const headers = new Headers()
    for (const name of ["content-type", "retry-after", "x-request-id"]) {
      const value = response.headers[name]
      if (typeof value === "string") headers.set(name, value)
    }
    const status = response.statusCode ?? 502
    response.once("close", () => sent.close())
    response.setTimeout(stallMs, () =>
      response.destroy(failureOf("stalled", `the service was silent for ${stallMs} ms`)),
    )
    if (BODILESS.includes(status)) {
      response.resume()
      return new Response(null, { status, headers })
    }
    return new Response(Readable.toWeb(response) as ReadableStream<Uint8Array>, { status, headers })
  } catch (error) {
    throw asRefusal(error, settings.id)
  }
}
