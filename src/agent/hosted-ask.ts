// A question to the user while what asks it waits, an external agent or a server whose tool is at work: first to the client that lends its ear to this turn, else to whoever answers approvals.
// Declined when nobody can be asked.
import { PincerError } from "../base/errors.ts"
import { uuid } from "../base/id.ts"
import { excerpt } from "../base/text.ts"
import type { Approval } from "../protocol/approval.ts"
import type { UserAnswer, UserQuestion } from "../protocol/question.ts"
import { answerProblem } from "./answer.ts"
import { canReachHuman } from "./attendance.ts"
import { argsDigest } from "./fingerprint.ts"
import { hold, untilStopped } from "./hosted-hold.ts"
import type { HostedRoom } from "./hosted-room.ts"

const MAX_QUESTION_CHARS = 64 * 1024

export type AskingRoom = Pick<HostedRoom, "cwd" | "holds" | "ports" | "profile" | "request" | "scope" | "signal">

export class HostedQuestions {
  readonly #room: AskingRoom
  #count = 0

  constructor(room: AskingRoom) {
    this.#room = room
  }

  async ask(question: UserQuestion): Promise<UserAnswer> {
    if (JSON.stringify(question).length > MAX_QUESTION_CHARS) return { type: "declined" }
    return (await this.#askClient(question)) ?? this.#askDesk(question)
  }

  /** Undefined when the turn's client shows no questions, or is gone. */
  async #askClient(question: UserQuestion): Promise<UserAnswer | undefined> {
    const { ports, request, signal } = this.#room
    const lent = await ports.lent?.(request)
    if (!lent?.ask) return undefined
    try {
      const answer = await untilStopped(lent.ask(question, signal), signal)
      if (!answer) return { type: "canceled" }
      if (answer.type !== "accepted") return answer
      const problem = answerProblem(question, answer.content)
      if (problem === undefined) return answer
      ports.log.warn({ problem }, "A client's answer did not fit the question")
      return { type: "canceled" }
    } catch (error) {
      if (!(error instanceof PincerError)) throw error
      return signal.aborted ? { type: "canceled" } : undefined
    }
  }

  async #askDesk(question: UserQuestion): Promise<UserAnswer> {
    const { ports, request, scope } = this.#room
    if (!canReachHuman(ports, request)) return { type: "declined" }
    this.#count += 1
    const approval = this.#approval(question)
    const key = `question:${scope.fence.epoch}:${this.#count}`
    const decided = await hold(this.#room, key, argsDigest({ question }), approval)
    if (decided?.decision === "allow-once") return { type: "accepted", content: decided.answer ?? {} }
    return decided?.decision === "deny" ? { type: "declined" } : { type: "canceled" }
  }

  #approval(question: UserQuestion): Approval {
    const { cwd, ports, profile, request, scope } = this.#room
    const now = ports.clock.now()
    const shown = ports.redactor.value(question)
    return {
      id: uuid(now),
      kind: "question",
      sessionKey: scope.fence.sessionKey,
      agentId: request.agentId,
      turnId: scope.fence.turnId,
      callId: question.callId ?? "",
      tool: "question",
      args: {},
      summary: excerpt(shown.message, 2_000),
      reason: `${profile.name} asks you something`,
      cwd,
      // The schema says what may be answered, and the address where to go: both as they are.
      question: question.type === "form" ? { ...question, message: shown.message } : question,
      createdAt: now,
      expiresAt: now + ports.settings.approvalTimeoutMs,
      decision: null,
    }
  }
}
