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
    stream: (request, signal) =>
      decodeStream(
        () => postStream(settings, "/responses", encodeResponses(request, settings.id), bearer(settings), signal),
        new ResponsesDecoder(request, settings.id),
      ),
    listModels: (signal) => listModels(settings, signal),
    embed: (request, signal) => embed(settings, request, signal),
  }
}
