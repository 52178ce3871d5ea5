// The audit: an append-only chain of records in the database, each holding the hash of the one before, and an anchor outside it. Nothing
// is removed silently: pruning leaves a signed mark from which the rest still verifies.
import { dirname } from "node:path"
import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import type { Redactor } from "../base/redact.ts"
import { cut } from "../base/text.ts"
import type { AuditEntry, AuditRecord } from "../protocol/audit.ts"
import { AnchorFile, type Flaw } from "./audit-anchor.ts"
import { type ChainLink, decodeRecord, seal } from "./audit-chain.ts"
import { AuditReads } from "./audit-reads.ts"
import type { Database } from "./database.ts"
import { int, text } from "./row.ts"

/** How far the anchor may lag behind. */
const ANCHOR_MS = 1_000
const SUMMARY_CHARS = 300

export interface AuditOptions {
  db: Database
  path: string
  clock: Clock
  log: Logger
  redactor: Redactor
}

export class AuditTable extends AuditReads {
  readonly #db: Database
  readonly #clock: Clock
  readonly #log: Logger
  readonly #redactor: Redactor
  readonly #insert
  readonly #lastBefore
  readonly #hashOf
  readonly #mark
  readonly #remove
  /** What the anchor file says; undefined while there is none. */
  #anchored: { head: ChainLink; flaws: readonly Flaw[] } | undefined
  #timer: (() => void) | undefined

  constructor({ db, path, clock, log, redactor }: AuditOptions) {
    super(db, new AnchorFile(dirname(path)))
    this.#db = db
    this.#clock = clock
    this.#log = log
    this.#redactor = redactor
    this.#insert = db.statement("INSERT INTO audit (seq,previous,hash,data) VALUES (?,?,?,?)")
    this.#lastBefore = db.statement(
      "SELECT coalesce((SELECT min(seq) FROM audit WHERE at>=?1)-1,(SELECT max(seq) FROM audit)) AS through",
    )
    this.#hashOf = db.statement("SELECT hash FROM audit WHERE seq=?")
    this.#mark = db.statement("INSERT INTO audit_checkpoints (through,hash,at,who,mac) VALUES (?,?,?,?,?)")
    this.#remove = db.statement("DELETE FROM audit WHERE seq<=?")
    this.#compare()
  }

  /** Resolves when the record is on disk. Secrets are taken out before. "later": with whatever is written next, or in a few milliseconds. */
  record(entry: AuditEntry, when?: "later"): Promise<AuditRecord> {
    return this.#db.write(() => this.append(entry), when)
  }

  /** Within a write: the record becomes part of the same commit. */
  append(entry: AuditEntry): AuditRecord {
    this.#ensureAnchor()
    const shown = this.#redactor.value(entry)
    const record = seal(this.head(), { ...shown, summary: cut(shown.summary, SUMMARY_CHARS) })
    this.#insert.run(record.seq, record.previous, record.hash, record.data)
    this.#timer ??= this.#clock.after(ANCHOR_MS, () => this.#writeAnchor())
    return decodeRecord(record)
  }

  /** Removes records from before `before` (ms), leaving a signed mark and a record of it. How many, and up to which number. */
  async prune(before: number, who: string): Promise<{ removed: number; through: number }> {
    const pruned = await this.#db.write(() => {
      const row = this.#lastBefore.get(before)
      const through = row?.["through"] === null || !row ? 0 : int(row, "through")
      const from = this.start().link.seq
      if (through <= from) return { removed: 0, through: from }
      this.append({
        ...ABOUT_ITSELF,
        at: this.#clock.now(),
        who,
        summary: `Records ${from + 1} to ${through} were pruned`,
      })
      const at = this.#clock.now()
      const hash = text(this.#hashOf.get(through)!, "hash")
      this.#mark.run(through, hash, at, who, this.anchor.sign({ through, hash, at, who }))
      return { removed: this.#remove.run(through), through }
    })
    if (pruned.removed > 0 && this.#anchored) {
      this.#anchored = { ...this.#anchored, flaws: this.#anchored.flaws.filter((flaw) => flaw.at >= before) }
      this.#writeAnchor()
    }
    return pruned
  }

  /** At the start: what the anchor knows and the database lacks was removed while nobody looked. */
  #compare(): void {
    const head = this.head()
    const state = this.anchor.read()
    if (state.type === "absent" && head.seq === 0) return
    const known = state.type === "good" ? state.anchor : { head, flaws: [] }
    const settled = state.type === "good" ? { ...state, anchor: { ...state.anchor, flaws: [] } } : state
    const bad = this.againstAnchor(settled, head)
    this.#anchored = { head: known.head, flaws: known.flaws }
    if (bad) this.#found(bad)
  }

  /** Keeps a finding with the anchor, so that going on does not hide it. */
  #found(bad: { firstBad: number; reason: string }): void {
    this.#log.error({ ...bad }, `The audit was tampered with: ${bad.reason}`)
    const flaws = [...(this.#anchored?.flaws ?? []), { at: this.#clock.now(), ...bad }]
    this.#save({ head: this.head(), flaws })
  }

  /** Before the first record: from now on a missing anchor means that it was removed. */
  #ensureAnchor(): void {
    if (!this.#anchored) this.#save({ head: this.head(), flaws: [] })
  }

  #writeAnchor(): void {
    this.#timer?.()
    this.#timer = undefined
    const known = this.#anchored
    if (!known) return
    try {
      const head = this.head()
      const state = { type: "good", anchor: { ...known, at: 0, flaws: [] } } as const
      const bad = this.againstAnchor(state, head)
      if (bad) {
        this.#found(bad)
        return
      }
      // What the anchor names must be on disk before it.
      this.#db.sync()
      this.#save({ head, flaws: known.flaws })
    } catch (error) {
      this.#log.error({ err: error }, "The anchor of the audit could not be written")
    }
  }

  #save(next: { head: ChainLink; flaws: readonly Flaw[] }): void {
    this.anchor.write({ ...next, at: this.#clock.now() })
    this.#anchored = next
  }

  /** Writes the anchor for what was recorded. Before the database is closed. */
  close(): void {
    if (this.#timer) this.#writeAnchor()
  }
}

const ABOUT_ITSELF = {
  type: "audit",
  door: "control",
  agentId: "",
  sessionKey: "",
  turnId: "",
  callId: "",
  tool: "",
  argsDigest: "",
} as const satisfies Partial<AuditEntry>
