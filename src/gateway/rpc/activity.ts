// A session's event log as IMClaw's activity list (IM-SES-02 … 05): prompts, events, results, errors, numbered from 1. A pure
// projection of the recorded events, so the same log always gives the same numbers and a subscriber can go on from one.

import type { RecordedEnvelope } from "../../protocol/event.ts"
import type { Message } from "../../protocol/message.ts"
import { shownText } from "../sessions/history.ts"
import { type StreamEvent, TurnStream } from "./stream.ts"

export interface Activity {
  id: number
  type: "prompt" | "event" | "result" | "error"
  /** The turn's id. */
  request_id?: string
  /** RFC 3339. */
  timestamp: string
  prompt?: string
  content?: string
  error?: string
  event?: StreamEvent
}

/** What the activities say about a session as a whole. */
export interface Standing {
  status: "idle" | "running" | "error"
  active: boolean
  first_prompt?: string
  last_prompt?: string
  last_output?: string
  last_error?: string
}

/** Reads a log from its beginning; keep one a session and feed it what is appended. */
export class ActivityLog {
  #count = 0
  readonly #streams = new Map<string, TurnStream>()
  /** The turn that ended last: an agent may still say something after it. */
  #ended: string | undefined
  readonly standing: Standing = { status: "idle", active: false }

  get count(): number {
    return this.#count
  }

  add({ at, event, turnId }: RecordedEnvelope): Activity[] {
    const base = () => ({ request_id: turnId, timestamp: new Date(at).toISOString() })
    const made: Activity[] = []
    const push = (activity: Omit<Activity, "id" | "timestamp">) => {
      this.#count += 1
      made.push({ id: this.#count, ...base(), ...activity })
    }
    if (event.type === "message.added" && isPrompt(event.message)) {
      const prompt = shownText(event.message.content)
      this.#prompted(prompt)
      push({ type: "prompt", prompt })
      return made
    }
    const stream = this.#streams.get(turnId) ?? new TurnStream()
    if (turnId !== this.#ended || event.type === "turn.started") this.#streams.set(turnId, stream)
    for (const told of stream.tell(event).events) {
      if (told.type === "done" || (told.type === "error" && event.type === "turn.ended")) continue
      push({ type: "event", content: told.content, event: told })
    }
    if (event.type === "turn.started") this.standing.status = "running"
    if (event.type === "turn.started") this.standing.active = true
    if (event.type !== "turn.ended") return made
    this.#streams.delete(turnId)
    this.#ended = turnId
    const { outcome } = event
    if (outcome.status === "completed") push({ type: "result", content: outcome.text })
    else push({ type: "error", error: outcome.error?.message ?? outcome.stop })
    this.#stand(outcome.status === "completed", outcome.text, outcome.error?.message ?? outcome.stop)
    return made
  }

  #prompted(prompt: string): void {
    const { standing } = this
    standing.first_prompt ??= prompt
    standing.last_prompt = prompt
    standing.status = "running"
    standing.active = true
    delete standing.last_error
  }

  #stand(completed: boolean, text: string, why: string): void {
    const { standing } = this
    standing.active = false
    standing.status = completed ? "idle" : "error"
    if (completed) standing.last_output = text
    else standing.last_error = why
  }
}

function isPrompt(message: Message): boolean {
  return message.role === "user" && !message.synthetic
}
