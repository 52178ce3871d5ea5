// What tests of model services start from: settings with short deadlines, a request, a stream read to its end.
import type { ModelEvent, ModelFailure, ModelRequest, Provider } from "../../src/providers/provider.ts"
import type { ProviderSettings } from "../../src/providers/settings.ts"

export const KEY = "sk-never-in-an-error-0123456789"

export function settingsFor(
  wire: ProviderSettings["wire"],
  url: string,
  more: Partial<ProviderSettings> = {},
): ProviderSettings {
  return {
    id: "fake",
    wire,
    baseUrl: `${url}/${wire === "gemini" ? "v1beta" : "v1"}`,
    apiKey: () => KEY,
    headers: {},
    models: [],
    connectTimeoutMs: 10_000,
    stallMs: 10_000,
    quirks: {},
    ...more,
  }
}

export function requestOf(more: Partial<ModelRequest> = {}): ModelRequest {
  const hello = { id: "m1", role: "user", content: [{ type: "text", text: "Hello" }], at: 0 } as const
  return {
    model: "test-model",
    messages: [{ ...hello, content: [...hello.content] }],
    tools: [],
    sampling: {},
    ...more,
  }
}

export interface Heard {
  events: ModelEvent[]
  /** Text as it was streamed. */
  text: string
  thinking: string
}

/** Reads a stream to its end. */
export async function hear(
  provider: Provider,
  more: Partial<ModelRequest> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<Heard> {
  const heard: Heard = { events: [], text: "", thinking: "" }
  for await (const event of provider.stream(requestOf(more), signal)) {
    heard.events.push(event)
    if (event.type === "text.delta") heard.text += event.text
    if (event.type === "thinking.delta") heard.thinking += event.text
  }
  return heard
}

type Done = Extract<ModelEvent, { type: "done" }>

/** The closing event, which must be the only one of its kind. Throws when it is not what was expected. */
export function doneOf({ events }: Heard): Done {
  const last = closing(events)
  if (last.type !== "done") throw new TypeError(`The stream failed: ${JSON.stringify(last)}`)
  return last
}

export function failureIn({ events }: Heard): ModelFailure {
  const last = closing(events)
  if (last.type !== "failed") throw new TypeError(`The stream did not fail: ${JSON.stringify(last)}`)
  return last.failure
}

function closing(events: ModelEvent[]): Extract<ModelEvent, { type: "done" | "failed" }> {
  const [end, ...more] = events.filter((event) => event.type === "done" || event.type === "failed")
  if (end === undefined || more.length > 0 || end !== events.at(-1))
    throw new TypeError(`The stream was not closed exactly once, at its end: ${JSON.stringify(events)}`)
  return end
}
