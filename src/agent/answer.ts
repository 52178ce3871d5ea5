// What may be answered to what is asked: a question takes "allow-once" with an answer that its form allows, or "deny"; anything else
// that is asked takes no answer but the decision.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { compileSchema } from "../base/json-schema.ts"
import type { Approval } from "../protocol/approval.ts"
import type { UserQuestion } from "../protocol/question.ts"

const MAX_ANSWER_CHARS = 100_000

/** Throws INVALID_PARAMS when this decision, or what it answers, is none that was asked for. */
export function checkAnswered({ answer, decision, id, kind, question }: Approval): void {
  if (kind !== "question" && !(kind === "workflow" && question)) {
    if (answer === undefined) return
    throw new PincerError("INVALID_PARAMS", `Approval ${id} asks no question: leave "answer" out`)
  }
  if (decision === "allow-session" || decision === "allow-always")
    throw new PincerError("INVALID_PARAMS", `${id} is a question: answer it with "allow-once", or decline with "deny"`)
  if (decision !== "allow-once") {
    if (answer === undefined) return
    throw new PincerError("INVALID_PARAMS", 'An answer goes with "allow-once" only: leave it out')
  }
  const problem = question && answerProblem(question, answer ?? {})
  if (problem !== undefined) throw new PincerError("INVALID_PARAMS", `The answer does not fit the question: ${problem}`)
}

/** What is wrong with an answer to this question; undefined when nothing is. */
export function answerProblem(question: UserQuestion, answer: Record<string, unknown>): string | undefined {
  const names = Object.keys(answer)
  if (question.type === "url") return names.length === 0 ? undefined : "a page to visit takes no fields"
  if (JSON.stringify(answer).length > MAX_ANSWER_CHARS) return `it is longer than ${MAX_ANSWER_CHARS} characters`
  const { properties } = question.schema
  const known = isObject(properties) ? properties : {}
  const unknown = names.find((name) => !Object.hasOwn(known, name))
  if (unknown !== undefined) return `there is no field "${unknown}"`
  const nested = names.find((name) => !isFlat(answer[name]))
  if (nested !== undefined) return `"${nested}" must be text, a number, yes or no, or a choice`
  return checkerOf(question.schema)(answer)
}

function isFlat(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((one) => typeof one === "string")
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
}

/** A form that is none takes no answer. */
function checkerOf(schema: Readonly<Record<string, unknown>>): (answer: unknown) => string | undefined {
  try {
    return compileSchema(schema)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return () => `its form is not valid (${why})`
  }
}
