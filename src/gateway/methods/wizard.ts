// wizard.*: the first set-up as a dialogue, step by step, for clients that show it. One at a time.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import type { Parts } from "../parts.ts"
import type { Dialogue } from "../wizard/dialogue.ts"
import { person } from "./approvals.ts"
import { type Method, method } from "./method.ts"
import { tidy } from "./params.ts"

/** The wizard of each gateway: the one that runs, or the last one. */
const dialogues = new WeakMap<Parts["hub"], Dialogue>()

const step = () =>
  z.looseObject({
    id: z.string(),
    type: z.enum(["note", "select", "text", "confirm", "progress"]),
    title: z.string().optional(),
    message: z.string().optional(),
    options: z.array(z.object({ value: z.string(), label: z.string(), hint: z.string().optional() })).optional(),
    initialValue: z.union([z.string(), z.boolean()]).optional(),
    placeholder: z.string().optional(),
    sensitive: z.boolean().optional(),
  })
const status = () => z.enum(["running", "done", "cancelled", "error"])
const state = () =>
  z.object({
    sessionId: z.string(),
    done: z.boolean(),
    status: status(),
    step: step().optional(),
    error: z.string().optional(),
  })
const sessionId = () => z.string({ error: "sessionId is required" }).min(1).max(100)

function known(id: string, { hub }: Parts): Dialogue {
  const dialogue = dialogues.get(hub)
  if (dialogue?.id === id) return dialogue
  throw new PincerError("NOT_FOUND", "wizard not found: begin one with wizard.start")
}

const start = method({
  name: "wizard.start",
  summary:
    "Begins the set-up: workspace, model service and key, a real question to the model. Answer with wizard.next.",
  scope: "operator.admin",
  normalize: tidy,
  params: () =>
    z.object({
      mode: z.enum(["local", "remote"]).optional(),
      workspace: z.string().min(1).max(4_096).optional(),
      flow: z.enum(["setup", "channels"]).optional(),
    }),
  result: state,
  async run({ flow, mode, workspace }, { caller, parts }) {
    if (mode === "remote" || flow === "channels")
      throw new PincerError("INVALID_PARAMS", "Only the set-up of this gateway is there: leave mode and flow out")
    if (dialogues.get(parts.hub)?.running)
      throw new PincerError("UNAVAILABLE", "wizard already running", { retryAfterMs: 5_000 })
    const { Dialogue } = await import("../wizard/dialogue.ts")
    const { setup } = await import("../wizard/setup.ts")
    if (dialogues.get(parts.hub)?.running)
      throw new PincerError("UNAVAILABLE", "wizard already running", { retryAfterMs: 5_000 })
    const who = person(caller)
    const given = workspace === undefined ? {} : { workspace }
    const dialogue = new Dialogue(uuid(parts.clock.now()), parts, (ask) => setup(ask, parts, who, given))
    dialogues.set(parts.hub, dialogue)
    return dialogue.current()
  },
})

const next = method({
  name: "wizard.next",
  aliases: ["wizard.step"],
  summary: "Answers a step and gives the next one; without an answer, the one that waits.",
  scope: "operator.admin",
  normalize: tidy,
  params: () =>
    z.object({
      sessionId: sessionId(),
      answer: z
        .object({
          stepId: z.string().min(1).max(100),
          value: z
            .union([z.string().max(10_000), z.boolean()])
            .optional()
            .describe("Absent: the step's initialValue"),
        })
        .optional(),
    }),
  result: state,
  async run({ answer, sessionId: id }, { parts }) {
    const dialogue = known(id, parts)
    return answer && dialogue.running ? dialogue.answer(answer.stepId, answer.value) : dialogue.current()
  },
})

const cancel = method({
  name: "wizard.cancel",
  summary: "Ends the wizard; nothing is written.",
  scope: "operator.admin",
  normalize: tidy,
  params: () => z.object({ sessionId: sessionId() }),
  result: () => z.object({ status: status(), error: z.string().optional() }),
  async run(params, { parts }) {
    const { error, status: now } = known(params.sessionId, parts).cancel()
    return { status: now, ...(error === undefined ? {} : { error }) }
  },
})

const statusMethod = method({
  name: "wizard.status",
  summary: "How the wizard stands.",
  scope: "operator.admin",
  normalize: tidy,
  params: () => z.object({ sessionId: sessionId() }),
  result: () => z.object({ status: status(), error: z.string().optional() }),
  async run(params, { parts }) {
    const { error, status: now } = known(params.sessionId, parts).state
    return { status: now, ...(error === undefined ? {} : { error }) }
  },
})

export const wizardMethods: readonly Method[] = [start, next, cancel, statusMethod]
