// Stages that stand before another one and change little of what passes: what was read is left out, an ending waits until it is
// known whether the question is asked again.
import type { Plan } from "../protocol/plan.ts"
import type { Question } from "./question.ts"
import type { Answered, Ending, Stage, ToolEnd, ToolStart } from "./turn.ts"

/** Tools that only read. */
const READERS: ReadonlySet<string> = new Set(["Read", "LS", "Glob", "Grep"])

class PassingStage implements Stage {
  protected readonly next: Stage

  constructor(next: Stage) {
    this.next = next
  }

  started(run: { runId: string; sessionKey: string }): void {
    this.next.started(run)
  }
  model(provider: string, model: string): void {
    this.next.model(provider, model)
  }
  text(delta: string): void {
    this.next.text(delta)
  }
  thinking(delta: string): void {
    this.next.thinking(delta)
  }
  toolStarted(tool: ToolStart): void {
    this.next.toolStarted(tool)
  }
  toolUpdated(tool: { callId: string; name: string; output: string }): void {
    this.next.toolUpdated(tool)
  }
  toolEnded(tool: ToolEnd): void {
    this.next.toolEnded(tool)
  }
  plan(planId: string, plan: Plan | null): void {
    this.next.plan(planId, plan)
  }
  notice(level: "info" | "warning", text: string): void {
    this.next.notice(level, text)
  }
  asked(question: Question): void {
    this.next.asked(question)
  }
  answered(answer: Answered): void {
    this.next.answered(answer)
  }
  ended(ending: Ending): void {
    this.next.ended(ending)
  }
}

/** Says that something was read, and how much, but not what. Refusals and mistakes stay as they are. */
export class ReadsLeftOut extends PassingStage {
  override toolUpdated(tool: { callId: string; name: string; output: string }): void {
    if (!READERS.has(tool.name)) super.toolUpdated(tool)
  }

  override toolEnded(tool: ToolEnd): void {
    if (!READERS.has(tool.name) || tool.isError) super.toolEnded(tool)
    else super.toolEnded({ ...tool, text: `(${tool.text.length} characters left out)`, details: {} })
  }
}

/** One of several tries: keeps its ending back, and knows whether anything but reading was begun. */
export class Try extends PassingStage {
  /** A call may have changed something: to ask again could do it twice. */
  touched = false

  override toolStarted(tool: ToolStart): void {
    if (!READERS.has(tool.name)) this.touched = true
    super.toolStarted(tool)
  }

  override ended(_ending: Ending): void {
    return
  }
}
