// The wires, one line each.
import { anthropic } from "./anthropic/index.ts"
import { gemini } from "./gemini/index.ts"
import { offline } from "./offline/index.ts"
import { openaiChat } from "./openai-chat/index.ts"
import { openaiResponses } from "./openai-responses/index.ts"
import type { Provider } from "./provider.ts"
import type { ProviderSettings } from "./settings.ts"
import { startedProvider } from "./started.ts"

const wires: Readonly<Record<ProviderSettings["wire"], (settings: ProviderSettings) => Provider>> = {
  "openai-chat": openaiChat,
  "openai-responses": openaiResponses,
  anthropic,
  gemini,
  offline,
}

export function openProvider(settings: ProviderSettings): Provider {
  const open = wires[settings.wire]
  return settings.startedBy ? startedProvider(settings, settings.startedBy, open) : open(settings)
}
