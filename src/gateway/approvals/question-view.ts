// Questions to people in the newer protocol's words: a list of questions with choices, answers by question. Inside, a question is a form
// of flat fields (protocol/question.ts). Pure.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { Approval } from "../../protocol/approval.ts"
import type { UserQuestion } from "../../protocol/question.ts"

const choice = z.union([
  z.string().min(1).max(500),
  z.looseObject({
    label: z.string().min(1).max(500),
    value: z.string().max(500).optional(),
    description: z.string().max(2_000).optional(),
  }),
])

/** One question as it is asked. */
export const askedQuestion = () =>
  z.looseObject({
    questionId: z.string().min(1).max(100).optional().describe("Also id"),
    id: z.string().min(1).max(100).optional(),
    header: z.string().max(200).optional(),
    question: z.string().min(1).max(5_000),
    options: z.array(choice).max(100).optional(),
    multiSelect: z.boolean().optional(),
    required: z.boolean().optional(),
  })

export type AskedQuestion = z.infer<ReturnType<typeof askedQuestion>>

/** The form that asks these. */
export function formOf(questions: readonly AskedQuestion[]): UserQuestion {
  const properties: Record<string, unknown> = {}
  const required: string[] = []
  for (const [i, one] of questions.entries()) {
    const id = one.questionId ?? one.id ?? `q${i + 1}`
    if (Object.hasOwn(properties, id)) throw new PincerError("INVALID_PARAMS", `questions: two have the id "${id}"`)
    properties[id] = fieldOf(one)
    if (one.required ?? true) required.push(id)
  }
  const message = questions.length === 1 ? questions[0]!.question : `${questions.length} questions`
  return { type: "form", message, schema: { type: "object", properties, required } }
}

function fieldOf({ header, multiSelect, options, question }: AskedQuestion): Record<string, unknown> {
  const named = { title: header ?? question, description: question }
  const choices = (options ?? []).map((one) => (typeof one === "string" ? { label: one } : one))
  if (choices.length === 0) return { type: "string", ...named }
  const values = choices.map(({ label, value }) => ({ const: value ?? label, title: label }))
  if (multiSelect) return { type: "array", items: { anyOf: values }, ...named }
  return { type: "string", oneOf: values, ...named }
}

/** A question that waits, or waited. */
export function questionView(approval: Approval) {
  const { agentId, answer, createdAt, expiresAt, id, question, sessionKey, summary, turnId } = approval
  const url = question?.type === "url" ? { url: question.url } : {}
  return {
    id,
    agentId,
    sessionKey,
    ...(turnId === "" ? {} : { runId: turnId }),
    message: question?.message ?? summary,
    questions: question?.type === "form" ? questionsIn(question.schema) : [],
    ...url,
    createdAtMs: createdAt,
    expiresAtMs: expiresAt,
    status: statusOf(approval),
    ...(answer ? { answers: { answers: listsOf(answer) } } : {}),
    ...(approval.resolvedBy === undefined ? {} : { resolvedBy: approval.resolvedBy }),
  }
}

function questionsIn({ properties }: Record<string, unknown>) {
  return Object.entries(isObject(properties) ? properties : {}).map(([id, field]) => {
    const { description, enum: plain, items, oneOf, title, type } = isObject(field) ? field : {}
    const inside = isObject(items) ? items : {}
    const options = [oneOf, plain, inside["anyOf"], inside["enum"]].find((one) => Array.isArray(one)) ?? []
    const text = (value: unknown) => (typeof value === "string" ? value : undefined)
    return {
      questionId: id,
      header: text(title) ?? id,
      question: text(description) ?? text(title) ?? id,
      type: text(type) ?? "string",
      multiSelect: type === "array",
      options: (options as unknown[]).map((one) => {
        if (!isObject(one)) return { label: String(one), value: String(one) }
        const value = String(one["const"] ?? one["title"] ?? "")
        return { label: text(one["title"]) ?? value, value }
      }),
    }
  })
}

export type QuestionStatus = "pending" | "answered" | "cancelled" | "expired"

export function statusOf({ decision }: Approval): QuestionStatus {
  if (decision === null) return "pending"
  if (decision === "expired") return "expired"
  return decision === "deny" || decision === "canceled" ? "cancelled" : "answered"
}

/** An answer as the newer protocol tells it: a list of words for each question. */
export function listsOf(answer: Record<string, unknown>): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(answer).map(([id, value]) => [id, (Array.isArray(value) ? value : [value]).map(String)]),
  )
}

/**
 * Answers in any form that clients send, as fields of the form: `{answers: {…}}` around all or one, `{answer}`, a list, or the value
 * itself. Numbers and yes or no may come as words.
 */
export function fieldsOf(given: Record<string, unknown>, question: UserQuestion | undefined): Record<string, unknown> {
  const isWrapped = Object.keys(given).length === 1 && isObject(given["answers"])
  const answers = isWrapped ? (given["answers"] as Record<string, unknown>) : given
  const properties = question?.type === "form" ? question.schema["properties"] : undefined
  const known = isObject(properties) ? properties : {}
  return Object.fromEntries(
    Object.entries(answers).map(([id, one]) => {
      const field = known[id]
      const inner = isObject(one) ? (one["answers"] ?? one["answer"] ?? one["value"]) : one
      const wantsList = isObject(field) && field["type"] === "array"
      if (wantsList) return [id, Array.isArray(inner) ? inner : [inner]]
      return [id, typed(Array.isArray(inner) && inner.length === 1 ? inner[0] : inner, field)]
    }),
  )
}

function typed(value: unknown, field: unknown): unknown {
  const type = isObject(field) ? field["type"] : undefined
  if (typeof value !== "string") return value
  if (type === "boolean" && /^(true|false)$/.test(value)) return value === "true"
  if ((type === "number" || type === "integer") && value.trim() !== "" && Number.isFinite(Number(value)))
    return Number(value)
  return value
}
