// A run as a tree on a terminal: steps with their state and time, drawn anew in place, at most ten times a second. What went well within a loop or a
// file is drawn together; what runs, waits or failed stands by itself. Nothing blinks: the times are what moves.
import type { Clock } from "../base/clock.ts"
import type { RunEvent, RunStepStatus } from "../protocol/workflow.ts"
import { inertLine } from "./inert.ts"
import type { Screen, Style } from "./screen.ts"
import { duration } from "./status.ts"
import { fit } from "./width.ts"

export const STEP_MARKS: Readonly<Record<RunStepStatus, string>> = {
  pending: "·",
  running: "▸",
  completed: "✓",
  skipped: "-",
  failed: "✗",
  canceled: "✗",
  uncertain: "?",
  waiting: "…",
}

const STYLES: Partial<Record<RunStepStatus, Style>> = {
  running: "bold",
  completed: "green",
  failed: "red",
  canceled: "red",
  uncertain: "yellow",
  waiting: "yellow",
  skipped: "dim",
}

interface TreeNode {
  label: string
  kind: string
  status: RunStepStatus
  startedAt: number
  durationMs: number | undefined
  attempt: number
  message: string
  /** Of an item of a loop: its number. */
  item: number | undefined
  /** Items of a loop that were begun. */
  items: number
  children: Map<string, TreeNode>
}

interface TreeLine {
  text: string
  status: RunStepStatus
}

/** Items of a loop that are kept although they went well. */
const MAX_ITEMS = 50
/** Of the items that run, wait or failed, those that are shown. */
const SHOWN_ITEMS = 6

/** What is known of a run, as lines. */
export class RunTree {
  readonly #root = newNode("", undefined)

  take(event: RunEvent): void {
    switch (event.type) {
      case "run.started":
      case "run.ended":
        return
      case "run.waiting": {
        const node = this.#at(event.path.replace(/[|?].*$/, ""))
        node.status = event.path.includes("?uncertain") ? "uncertain" : "waiting"
        node.message = event.prompt
        return
      }
      case "step.started":
        Object.assign(this.#at(event.path), {
          ...{ kind: event.kind, status: "running", attempt: event.attempt, message: "" },
          ...{ startedAt: event.at, durationMs: undefined },
        })
        return
      case "step.ended": {
        const { kind, message = "", path, status } = event
        const node = this.#at(path)
        // A failure says no time of its own.
        const durationMs = event.durationMs || (node.startedAt > 0 ? event.at - node.startedAt : 0)
        Object.assign(node, { kind, status, message, durationMs })
        this.#tidy(path)
      }
    }
  }

  get isActive(): boolean {
    return isLive(this.#root)
  }

  lines(now: number): TreeLine[] {
    return [...this.#root.children.values()].flatMap((node) => linesOf(node, "", now))
  }

  #at(path: string): TreeNode {
    let node = this.#root
    for (const [part, item] of path.matchAll(/\[(\d+)\]|[^.[\]]+/g)) {
      const known = node.children.get(part)
      if (known) {
        node = known
        continue
      }
      const index = item === undefined ? undefined : Number(item)
      if (index !== undefined) node.items = Math.max(node.items, index + 1)
      const child = newNode(part, index)
      node.children.set(part, child)
      node = child
    }
    return node
  }

  /** Of a long loop only what is not over or went wrong is kept. */
  #tidy(path: string): void {
    const loop = this.#at(path.replace(/\[\d+\][^[]*$/, ""))
    if (loop.children.size <= MAX_ITEMS) return
    for (const [part, child] of loop.children) {
      if (loop.children.size <= MAX_ITEMS) return
      if (child.item !== undefined && child.item < loop.items - 1 && !isNotable(child)) loop.children.delete(part)
    }
  }
}

function newNode(label: string, item: number | undefined): TreeNode {
  const times = { startedAt: 0, durationMs: undefined, attempt: 1 }
  return { label, item, items: 0, kind: "", status: "pending", message: "", children: new Map(), ...times }
}

function isLive(node: TreeNode): boolean {
  return node.status === "running" || [...node.children.values()].some(isLive)
}

function isNotable(node: TreeNode): boolean {
  const { status } = node
  const own = status === "running" || status === "waiting" || status === "failed" || status === "uncertain"
  return own || [...node.children.values()].some(isNotable)
}

function linesOf(node: TreeNode, indent: string, now: number): TreeLine[] {
  const { attempt, children, durationMs, item, items, kind, label, message, startedAt, status } = node
  const inner = [...children.values()]
  const shown = inner.filter((child) => isNotable(child) || (status === "running" && child.item === undefined))
  const below = shown.slice(-SHOWN_ITEMS)
  const took = status === "running" ? Math.max(0, now - startedAt) : durationMs
  const facts = [
    ...(kind === "" ? [] : [kind]),
    ...(items > 0 ? [`${items} ${items === 1 ? "item" : "items"}`] : []),
    ...(attempt > 1 ? [`attempt ${attempt}`] : []),
    ...(took === undefined || status === "skipped" ? [] : [shortTime(took)]),
  ]
  const why = message === "" ? "" : `  ${inertLine(message)}`
  // An item is what its steps are.
  const mark = STEP_MARKS[item === undefined ? status : itemStatus(inner)]
  const head = {
    text: `${indent}${mark} ${inertLine(label)}${facts.length > 0 ? ` (${facts.join(", ")})` : ""}${why}`,
    status: item === undefined ? status : itemStatus(inner),
  }
  const left = shown.length - below.length
  const more = left > 0 ? [{ text: `${indent}  · ${left} more`, status: "pending" as const }] : []
  return [head, ...more, ...below.flatMap((child) => linesOf(child, `${indent}  `, now))]
}

function itemStatus(steps: readonly TreeNode[]): RunStepStatus {
  const order: readonly RunStepStatus[] = ["failed", "uncertain", "waiting", "running", "canceled"]
  return order.find((status) => steps.some((step) => step.status === status)) ?? "completed"
}

/** "12 ms", "1.2 s", "3 min 4 s" */
export function shortTime(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : duration(ms)
}

const DRAW_MS = 100
const TICK_MS = 1_000

/** Draws the tree and keeps it fresh. */
export class LiveTree {
  readonly #tree = new RunTree()
  readonly #screen: Screen
  readonly #clock: Clock
  readonly #rows: () => number
  #drawn = 0
  #last = Number.NEGATIVE_INFINITY
  #cancel: (() => void) | undefined
  #isDue = false
  #paused = false

  constructor(screen: Screen, clock: Clock, rows: () => number) {
    this.#screen = screen
    this.#clock = clock
    this.#rows = rows
  }

  take(event: RunEvent): void {
    this.#tree.take(event)
    if (!this.#isDue) this.#plan(Math.max(0, this.#last + DRAW_MS - this.#clock.now()), true)
  }

  /** Somebody else uses the terminal: what is drawn stays, and the tree begins anew below. The returned function goes on. */
  pause(): () => void {
    this.#draw()
    this.#drawn = 0
    this.#paused = true
    return () => {
      this.#paused = false
      this.#draw()
    }
  }

  /** The last drawing stays. */
  end(): void {
    this.#draw()
    this.#cancel?.()
    this.#paused = true
  }

  #plan(ms: number, isDue: boolean): void {
    this.#cancel?.()
    this.#isDue = isDue
    this.#cancel = this.#clock.after(ms, () => this.#draw())
  }

  #draw(): void {
    this.#cancel?.()
    this.#isDue = false
    if (this.#paused) return
    const now = this.#clock.now()
    this.#last = now
    const lines = this.#fitted(now)
    const back = this.#drawn > 0 ? `\x1b[${this.#drawn}A\r\x1b[0J` : ""
    this.#screen.write(back + lines.map((line) => `${line}\n`).join(""))
    this.#drawn = lines.length
    if (this.#tree.isActive) this.#plan(TICK_MS, false)
  }

  /** What fits on the screen: of what is over, the last. */
  #fitted(now: number): string[] {
    const all = this.#tree.lines(now)
    const room = Math.max(3, this.#rows() - 2)
    let over = all.length - room
    const kept =
      over <= 0 ? all : all.filter(({ status }) => !(status === "completed" || status === "skipped") || over-- <= 0)
    const shown = kept.slice(-room)
    const left = all.length - shown.length
    const width = this.#screen.width - 1
    return [
      ...(left > 0 ? [this.#screen.paint(`  ${left} lines above`, "dim")] : []),
      ...shown.map(({ status, text }) => {
        const style = STYLES[status]
        const line = fit(text, width)
        return style === undefined ? line : this.#screen.paint(line, style)
      }),
    ]
  }
}
