// ask: a human answers in JSON that fits a schema; the answer is the one item that goes on.
import { PincerError } from "../../base/errors.ts"
import { compileSchema } from "../../base/json-schema.ts"
import { cut } from "../../base/text.ts"
import type { Command } from "../command.ts"
import { collected, isSet, textArg } from "./items.ts"

const SUBJECT = 2_000
const DECISION = {
  type: "object",
  properties: {
    decision: { type: "string", enum: ["approve", "reject", "redraft"] },
    feedback: { type: "string", description: "What should be different" },
  },
  required: ["decision"],
}

export const ask: Command = {
  name: "ask",
  description: "Asks a human for an answer of a given form",
  args: {
    prompt: { type: "string", description: "What is asked", default: "Input required" },
    schema: { type: "json", description: "JSON Schema of the answer" },
    "subject-from-stdin": { type: "boolean", description: "Show the items with the question" },
    emit: { type: "boolean", description: "Never ask on the terminal" },
  },
  examples: [{ text: "ask --prompt 'Which one?' --subject-from-stdin", description: "A decision about the items" }],
  sideEffects: [],
  gates: true,
  effect: "read",
  async run({ items, args }, context) {
    const all = await collected(items)
    const responseSchema = schemaOf(textArg(args, "schema"))
    const texts = all.map((item) => (typeof item === "string" ? item : JSON.stringify(item)))
    const answer = await context.gate({
      type: "input",
      prompt: textArg(args, "prompt") ?? "Input required",
      responseSchema,
      ...(isSet(args, "subject-from-stdin") ? { subject: { text: cut(texts.join("\n"), SUBJECT) } } : {}),
    })
    return { items: [answer.type === "answered" ? answer.response : null] }
  },
}

function schemaOf(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return DECISION
  try {
    const schema = JSON.parse(text) as Record<string, unknown>
    compileSchema(schema)
    return schema
  } catch (error) {
    throw new PincerError(
      "INVALID_PARAMS",
      `ask --schema must be a JSON Schema: ${error instanceof Error ? error.message : ""}`,
      { cause: error },
    )
  }
}
