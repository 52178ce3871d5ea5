// A plan: what an agent means to do, whole each time.

export interface PlanEntry {
  content: string
  priority: "high" | "medium" | "low"
  status: "pending" | "in_progress" | "completed"
}

/** One plan of a session; an agent may keep several, each under its id. */
export interface Plan {
  planId: string
  entries: PlanEntry[]
  /** The plan as Markdown, or the file that holds it, where an agent keeps it so; then `entries` is empty. */
  markdown?: string
  file?: string
}

/** The plan that an agent keeps when it names none. */
export const MAIN_PLAN = "main"
