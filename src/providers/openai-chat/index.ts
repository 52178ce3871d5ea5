// OpenAI chat completions and everything that speaks them.
import { Readable } from "node:stream"
import { asRefusal, postStream, send } from "../http.ts"
import { bearer, embed, listModels } from "../openai.ts"
import type { Provider } from "../provider.ts"
import type { ProviderSettings } from "../settings.ts"
import { decodeStream } from "../stream.ts"
import { ChatDecoder } from "./decode.ts"
import { encodeChat } from "./encode.ts"

const PATH = "/chat/completions"

export function openaiChat(settings: ProviderSettings): Provider {
  return {
    id: settings.id,
    wire: "openai-chat",
    stream: (request, signal) =>
      decodeStream(
        () => postStream(settings, PATH, encodeChat(request, settings.quirks), bearer(settings), signal),
        new ChatDecoder(request, settings.quirks),
      ),
    listModels: (signal) => listModels(settings, signal),
    embed: (request, signal) => embed(settings, request, signal),
    relay: (body, signal) => relay(settings, body, signal),
  }
}

/** Byte for byte: what the service answers is handed back unread, whatever its status. */
async function relay(
  settings: ProviderSettings,
  body: Record<string, unknown>,
  signal: AbortSignal,
): Promise<Response> {
  try {
    const sent = await send(settings, "POST", PATH, bearer(settings), JSON.stringify(body), signal)
    const headers = new Headers()
    for (const name of ["content-type", "retry-after", "x-request-id"]) {
      const value = sent.response.headers[name]
      if (typeof value === "string") headers.set(name, value)
    }
    sent.response.once("close", () => sent.close())
    const stream = Readable.toWeb(sent.response) as ReadableStream<Uint8Array>
    return new Response(stream, { status: sent.response.statusCode ?? 502, headers })
  } catch (error) {
    throw asRefusal(error, settings.id)
  }
}
