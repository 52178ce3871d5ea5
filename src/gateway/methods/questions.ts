// question.*: what agents, workflows and programs ask people beyond yes or no. The same questions as among approvals, by other names.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { Approval } from "../../protocol/approval.ts"
import { decisionOf } from "../approvals/decisions.ts"
import { askedQuestion, fieldsOf, formOf, listsOf, questionView, statusOf } from "../approvals/question-view.ts"
import { requireAgent, resolveSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import { person } from "./approvals.ts"
import { type Method, method } from "./method.ts"
import { renamed, sessionFields } from "./params.ts"

const MAX_WAIT_MS = 30 * 60_000
const byId = (params: Record<string, unknown>) => renamed(params, { id: ["questionId", "requestId"] })
const id = () => z.string({ error: "id is required" }).min(1).max(256)
const answers = () => z.record(z.string(), z.unknown())
const told = () => z.object({ answers: z.record(z.string(), z.array(z.string())) })

const shown = () =>
  z.looseObject({
    id: z.string(),
    agentId: z.string(),
    sessionKey: z.string(),
    message: z.string(),
    questions: z.array(
      z.looseObject({
        questionId: z.string(),
        header: z.string(),
        question: z.string(),
        multiSelect: z.boolean(),
        options: z.array(z.object({ label: z.string(), value: z.string() })),
      }),
    ),
    url: z.string().optional().describe("A page to visit, instead of questions"),
    createdAtMs: z.number(),
    expiresAtMs: z.number(),
    status: z.enum(["pending", "answered", "cancelled", "expired"]),
    answers: told().optional(),
  })

function isQuestion({ question }: Approval): boolean {
  return question !== undefined
}

/** Throws NOT_FOUND for an id that is none of a question. */
async function requireQuestion(questionId: string, parts: Parts): Promise<Approval> {
  const found = await parts.approvals.get(questionId)
  if (found && isQuestion(found)) return found
  throw new PincerError("NOT_FOUND", `unknown question id "${questionId}": question.list has those that wait`, {
    details: { id: questionId },
  })
}

const list = method({
  name: "question.list",
  summary: "Questions that wait for an answer, oldest first.",
  scope: "operator.approvals",
  params: () => z.object({}),
  result: () => z.object({ questions: z.array(shown()) }),
  run: async (_params, { parts }) => ({
    questions: (await parts.approvals.pending()).filter(isQuestion).map(questionView),
  }),
})

const get = method({
  name: "question.get",
  summary: "One question, answered or not.",
  scope: "operator.approvals",
  normalize: byId,
  params: () => z.object({ id: id() }),
  result: () => z.object({ question: shown() }),
  run: async (params, { parts }) => ({ question: questionView(await requireQuestion(params.id, parts)) }),
})

const request = method({
  name: "question.request",
  summary: "Asks people something in the name of a session; question.waitAnswer has the answer.",
  scope: "operator.approvals",
  normalize: (params) => renamed(params, { path: ["file"], id: ["questionId"] }),
  params: () =>
    z.object({
      ...sessionFields(),
      id: z.string().min(1).max(256).optional(),
      questions: z.array(askedQuestion()).min(1, { error: "questions is empty" }).max(20),
      timeoutMs: z
        .number()
        .int()
        .min(1_000)
        .max(7 * 86_400_000)
        .optional()
        .describe("Default half an hour"),
    }),
  result: () => z.object({ id: z.string(), expiresAtMs: z.number() }),
  async run({ id: wanted, questions, timeoutMs = MAX_WAIT_MS, ...named }, { caller, parts }) {
    const session = await resolveSession(named, parts)
    requireAgent(session.agentId, parts)
    const question = formOf(questions)
    const asked = await parts.approvals.ask({
      kind: "question",
      ...(wanted === undefined ? {} : { id: wanted }),
      sessionKey: session.key,
      agentId: session.agentId,
      tool: "question",
      args: {},
      summary: question.message.slice(0, 2_000),
      reason: `${person(caller)} asks you something`,
      question,
      timeoutMs,
    })
    return { id: asked.id, expiresAtMs: asked.expiresAt }
  },
})

const ending = () =>
  z.object({ status: z.enum(["pending", "answered", "cancelled", "expired"]), answers: told().optional() })

function endOf(approval: Approval) {
  const { answer } = approval
  const status = statusOf(approval)
  return { status, ...(status === "answered" ? { answers: { answers: listsOf(answer ?? {}) } } : {}) }
}

const wait = method({
  name: "question.waitAnswer",
  summary: "Waits until a question is answered; pending when the time passes first.",
  scope: "operator.approvals",
  normalize: byId,
  params: () => z.object({ id: id(), timeoutMs: z.number().int().min(0).optional().describe("At most half an hour") }),
  result: ending,
  async run(params, { caller, parts }) {
    await requireQuestion(params.id, parts)
    const timeoutMs = Math.min(params.timeoutMs ?? MAX_WAIT_MS, MAX_WAIT_MS)
    return endOf(await decisionOf(params.id, parts, { signal: caller.signal, timeoutMs }))
  },
})

const resolve = method({
  name: "question.resolve",
  summary: "Answers a question, or declines it with cancel. The first answer counts.",
  scope: "operator.approvals",
  normalize: byId,
  params: () =>
    z
      .object({ id: id(), answers: answers().optional(), cancel: z.boolean().optional() })
      .refine((p) => p.cancel === true || p.answers !== undefined, { path: ["answers"], error: "answers is required" }),
  result: ending,
  async run({ answers: given = {}, cancel, id: questionId }, { caller, parts }) {
    const { question } = await requireQuestion(questionId, parts)
    const who = person(caller)
    if (cancel) return endOf(await parts.approvals.resolve(questionId, "deny", who))
    const answer = fieldsOf(given, question)
    return endOf(await parts.approvals.resolve(questionId, "allow-once", who, { answer }))
  },
})

export const questionMethods: readonly Method[] = [list, get, request, wait, resolve]
