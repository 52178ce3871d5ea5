// The OpenAI Responses API, stateless.

import { postStream } from "../http.ts"
import { bearer, embed, listModels } from "../openai.ts"
import type { Provider } from "../provider.ts"
import type { ProviderSettings } from "../settings.ts"
import { decodeStream } from "../stream.ts"
import { ResponsesDecoder } from "./decode.ts"
import { encodeResponses } from "./encode.ts"

export function openaiResponses(settings: ProviderSettings): Provider {
  return {
    id: settings.id,
    wire: "openai-responses",
    stream: (request, signal) => {
      const decoder = new ResponsesDecoder(request, settings.id)
      const body = () => encodeResponses(request, settings.id)
      return decodeStream(
        () => postStream(settings, "/responses", body(), bearer(settings), signal, () => decoder.isOver),
        decoder,
      )
    },
    listModels: (signal) => listModels(settings, signal),
    embed: (request, signal) => embed(settings, request, signal),
  }
}
