// AskUser: questions to the user, as one form. Who asks, and waits, is whoever runs the call; here a form is made of the questions, and
// a sentence for the model of what was answered.
import { z } from "zod"
import { excerpt } from "../base/text.ts"
import type { UserAnswer } from "../protocol/question.ts"
import { errorResult, type Tool, type ToolResult, textResult } from "./tool.ts"

const choice = z.strictObject({
  label: z.string().trim().min(1).max(200),
  description: z.string().max(500).optional().describe("What choosing it means"),
})
const asked = z.strictObject({
  question: z.string().trim().min(1).max(1_000).describe("The whole question, as the user reads it"),
  header: z.string().max(40).optional().describe("A name for it, in a word or two"),
  options: z
    .array(choice)
    .min(2)
    .max(10)
    .refine((options) => new Set(options.map(({ label }) => label)).size === options.length, "labels must differ")
    .optional()
    .describe("What there is to choose from; without it the user answers in words"),
  multiSelect: z.boolean().optional().describe("Several of the options may be chosen"),
})
const args = z.strictObject({ questions: z.array(asked).min(1).max(4) })

type Args = z.infer<typeof args>
type Asked = z.infer<typeof asked>

export const askUser: Tool<Args> = {
  name: "AskUser",
  aliases: ["ask_user", "AskUserQuestion"],
  class: "control",
  effect: "once",
  description:
    "Asks the user one to four questions and waits for the answers; each has options to choose from, or is answered in words. For what only the user can decide and you cannot find out. Never ask for passwords or keys.",
  args,
  title: ({ questions }) => {
    const more = questions.length > 1 ? ` (and ${questions.length - 1} more)` : ""
    return `${excerpt(questions[0]!.question, 200)}${more}`
  },
  touch: async () => ({ reads: [], writes: [], hosts: [] }),
  question: ({ questions }) => ({
    type: "form",
    message: questions.length === 1 ? questions[0]!.question : `${questions.length} questions for you`,
    schema: {
      type: "object",
      properties: Object.fromEntries(questions.map((one, i) => [fieldName(i), fieldOf(one, questions.length === 1)])),
      required: questions.map((_, i) => fieldName(i)),
    },
  }),
  async run({ questions }, { answer, signal }) {
    signal.throwIfAborted()
    return told(questions, answer)
  },
}

function fieldName(i: number): string {
  return `answer${i + 1}`
}

/** A field of the form. `alone`: the form's own message is the question. */
function fieldOf({ header, multiSelect, options, question }: Asked, alone: boolean): Record<string, unknown> {
  const meanings = (options ?? []).flatMap(({ description, label }) =>
    description === undefined ? [] : [`${label}: ${description}`],
  )
  const text = [...(alone ? [] : [question]), ...meanings].join("\n")
  const words = { title: header ?? (alone ? "Answer" : excerpt(question, 60)), ...(text ? { description: text } : {}) }
  if (!options) return { type: "string", ...words, minLength: 1, maxLength: 10_000 }
  const values = options.map(({ label }) => label)
  if (multiSelect) return { type: "array", ...words, items: { type: "string", enum: values }, minItems: 1 }
  return { type: "string", ...words, enum: values }
}

function told(questions: readonly Asked[], answer: UserAnswer | undefined): ToolResult {
  if (!answer)
    return errorResult("Nobody can be asked now. Decide yourself, or say in your answer what you need to know.")
  switch (answer.type) {
    case "declined":
      return textResult("The user declined to answer. Do not ask the same again.", { answer: "declined" })
    case "canceled":
      return textResult("The user did not answer: the question was put off.", { answer: "canceled" })
    case "accepted": {
      const { content } = answer
      const lines = questions.map(({ question }, i) => `${question}\n→ ${said(content[fieldName(i)])}`)
      return textResult(lines.join("\n\n"), { answer: "accepted", answers: content })
    }
    default:
      throw new TypeError(`Unknown answer ${JSON.stringify(answer satisfies never)}`)
  }
}

function said(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(", ")
  return value === undefined ? "(no answer)" : String(value)
}
