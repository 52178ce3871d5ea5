// TodoWrite: the model's own list of what is to be done, kept with the session.
import { z } from "zod"
import { MAIN_PLAN } from "../protocol/plan.ts"
import { type Tool, textResult } from "./tool.ts"

const item = z.strictObject({
  text: z.string().min(1).max(500).describe("The step"),
  status: z.enum(["pending", "in_progress", "completed"]),
})
const args = z.strictObject({ todos: z.array(item).max(100).describe("The whole list; it replaces the one before") })

const MARKS = { pending: "[ ]", in_progress: "[~]", completed: "[x]" } as const

export const todoWrite: Tool<z.infer<typeof args>> = {
  name: "TodoWrite",
  aliases: ["todo_write"],
  class: "control",
  effect: "idempotent",
  description:
    "Keeps a list of steps for work that has several. Send the whole list each time; mark one step in_progress at a time.",
  args,
  title: ({ todos }) => `${todos.filter((one) => one.status === "completed").length} of ${todos.length} done`,
  touch: async () => ({ reads: [], writes: [], hosts: [] }),
  async run({ todos }, context) {
    context.signal.throwIfAborted()
    context.notes.set("todos", todos)
    const list = todos.map((one) => `${MARKS[one.status]} ${one.text}`).join("\n")
    const entries = todos.map((one) => ({ content: one.text, priority: "medium" as const, status: one.status }))
    const result = textResult(list === "" ? "The list is empty." : list, { todos })
    return { ...result, plan: { planId: MAIN_PLAN, entries } }
  },
}
