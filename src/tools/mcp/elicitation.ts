// Questions of MCP servers to the user: only while one of the server's tools is at work, one at a time, and saying who asks.
import { isObject } from "../../base/json.ts"
import type { UserAnswer, UserQuestion } from "../../protocol/question.ts"
import { seen, seenLine } from "./words.ts"

const MAX_MESSAGE = 2_000
const MAX_URL = 4_000
const MAX_FIELDS = 50
const MAX_PAGES_TO_VISIT = 3
/** What a server answers that wants the user to visit a page before it does what it was called for. */
const VISIT_FIRST = -32_042

/** What the server gets: ElicitResult of MCP. */
export interface Elicited {
  [key: string]: unknown
  action: "accept" | "decline" | "cancel"
  content?: Record<string, string | number | boolean | string[]>
}

/** Undefined for a question that is not shown to anybody. `params`: those of `elicitation/create`. */
export function questionOf(server: string, params: Record<string, unknown>): UserQuestion | undefined {
  const said = typeof params["message"] === "string" ? params["message"] : ""
  const message = `MCP server "${seenLine(server, 60)}" asks: ${seen(said, MAX_MESSAGE)}`
  if (params["mode"] === "url") {
    const { elicitationId, url } = params
    if (typeof url !== "string" || !isWebAddress(url)) return undefined
    return { type: "url", message, url, elicitationId: typeof elicitationId === "string" ? elicitationId : "" }
  }
  const schema = params["requestedSchema"]
  if (!isObject(schema) || !isObject(schema["properties"])) return undefined
  return Object.keys(schema["properties"]).length > MAX_FIELDS ? undefined : { type: "form", message, schema }
}

/** The pages that an error says must be visited first; empty for every other error. */
export function pagesOf(server: string, error: unknown): UserQuestion[] {
  if (!(error instanceof Error) || !("code" in error) || error.code !== VISIT_FIRST || !("data" in error)) return []
  const listed = isObject(error.data) && Array.isArray(error.data["elicitations"]) ? error.data["elicitations"] : []
  return listed.slice(0, MAX_PAGES_TO_VISIT).flatMap((one: unknown) => {
    const question = isObject(one) ? questionOf(server, { ...one, mode: "url" }) : undefined
    return question ? [question] : []
  })
}

function isWebAddress(url: string): boolean {
  return url.length <= MAX_URL && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
}

export function elicited(question: UserQuestion, answer: UserAnswer): Elicited {
  switch (answer.type) {
    case "accepted":
      return question.type === "url"
        ? { action: "accept" }
        : { action: "accept", content: flat(question.schema, answer.content) }
    case "declined":
      return { action: "decline" }
    case "canceled":
      return { action: "cancel" }
    default:
      throw new TypeError(`Unknown answer ${JSON.stringify(answer satisfies never)}`)
  }
}

/** Only fields that were asked for, and only values that MCP knows. */
function flat(schema: Record<string, unknown>, content: Record<string, unknown>): NonNullable<Elicited["content"]> {
  const asked = isObject(schema["properties"]) ? schema["properties"] : {}
  const flatten: NonNullable<Elicited["content"]> = {}
  for (const [name, value] of Object.entries(content)) {
    if (!Object.hasOwn(asked, name)) continue
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") flatten[name] = value
    else if (Array.isArray(value)) flatten[name] = value.filter((item) => typeof item === "string")
  }
  return flatten
}
