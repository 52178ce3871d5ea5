// Answers that are still being written. Deltas are gathered in memory and put on disk a few times a second, all turns in one
// commit, so that a crash loses at most a fraction of a second of an unfinished answer.
import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import type { Database } from "./database.ts"
import { text } from "./row.ts"
import type { Fence } from "./store.ts"
import { FencedError, type TurnTable } from "./turns.ts"

const FLUSH_MS = 200

export type DraftKind = "text" | "thinking"

interface Pending {
  fence: Fence
  messageId: string
  kind: DraftKind
  text: string
}

export interface Draft {
  messageId: string
  text: string
  thinking: string
}

export class DraftTable {
  readonly #db: Database
  readonly #clock: Clock
  readonly #turns: TurnTable
  readonly #log: Logger
  readonly #pending = new Map<string, Pending[]>()
  readonly #insert
  readonly #get
  readonly #delete
  #timer: (() => void) | undefined

  constructor(db: Database, clock: Clock, turns: TurnTable, log: Logger) {
    this.#db = db
    this.#clock = clock
    this.#turns = turns
    this.#log = log
    this.#insert = db.statement(
      "INSERT INTO drafts (turn_id,n,message_id,kind,text) VALUES (?1,(SELECT coalesce(max(n),0)+1 FROM drafts WHERE turn_id=?1),?2,?3,?4)",
    )
    this.#get = db.statement("SELECT * FROM drafts WHERE turn_id=? ORDER BY n")
    this.#delete = db.statement("DELETE FROM drafts WHERE turn_id=?")
  }

  /** Adds a delta. Cheap: called for every token. */
  add(fence: Fence, messageId: string, kind: DraftKind, delta: string): void {
    let pieces = this.#pending.get(fence.turnId)
    if (pieces === undefined) {
      pieces = []
      this.#pending.set(fence.turnId, pieces)
      if (this.#timer === undefined) this.#timer = this.#clock.after(FLUSH_MS, () => this.#flush())
    }
    const last = pieces.at(-1)
    if (last !== undefined && last.kind === kind && last.messageId === messageId) last.text += delta
    else pieces.push({ fence, messageId, kind, text: delta })
  }

  #flush(): void {
    this.#timer = undefined
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    if (pending.length === 0) return
    this.#db
      .write(() => {
        for (const pieces of pending) for (const piece of pieces) this.#put(piece)
      })
      .catch((error: unknown) => this.#log.error({ err: error }, "Could not store unfinished answers"))
  }

  #put(piece: Pending): void {
    try {
      this.#turns.check(piece.fence)
    } catch (error) {
      // The turn ended, and with it the need for its draft.
      if (error instanceof FencedError) return
      throw error
    }
    this.#insert.run(piece.fence.turnId, piece.messageId, piece.kind, piece.text)
  }

  /** The whole message is being recorded: what was gathered of it is not needed. Within the same tick as that write. */
  drop(turnId: string): void {
    this.#pending.delete(turnId)
  }

  /** Within a write. */
  clear(turnId: string): void {
    this.#delete.run(turnId)
  }

  /** What a crash left of unfinished answers of a turn, oldest first. */
  async of(turnId: string): Promise<Draft[]> {
    const drafts = new Map<string, Draft>()
    for (const row of this.#get.all(turnId)) {
      const messageId = text(row, "message_id")
      const draft = drafts.get(messageId) ?? { messageId, text: "", thinking: "" }
      draft[text(row, "kind") as DraftKind] += text(row, "text")
      drafts.set(messageId, draft)
    }
    return [...drafts.values()]
  }
}
