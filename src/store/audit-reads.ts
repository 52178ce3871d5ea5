// Reading the audit: pages, counts, and whether it is all still as it was. Works on the gateway's own connection and on a copy that
// nobody has open.
import type { AuditFilter, AuditRecord, AuditType, AuditVerification } from "../protocol/audit.ts"
import type { AnchorFile } from "./audit-anchor.ts"
import { CHAIN_START, type ChainLink, ChainWalk, decodeRecord, type StoredRecord } from "./audit-chain.ts"
import type { Row, Statement } from "./database.ts"
import { int, text } from "./row.ts"

/** Without the columns that are computed: from a damaged record they cannot be. */
const WRITTEN = "seq,previous,hash,data"
/** Records that are checked before others get a turn. */
const PAGE = 1_000

/** Calls within a time, for rate rules. */
export interface AuditCount {
  tool: string
  /** ms since 1970, inclusive. */
  since: number
  type?: AuditType
  sessionKey?: string
  who?: string
  agentId?: string
  /** Counting stops here. */
  atMost?: number
}

export interface AuditSource {
  statement(sql: string): Statement
  query(sql: string, values: (string | number)[]): Row[]
}

export class AuditReads {
  protected readonly anchor: AnchorFile
  readonly #source: AuditSource
  readonly #get
  readonly #page
  readonly #last
  readonly #checkpoint
  readonly #count

  constructor(source: AuditSource, anchor: AnchorFile) {
    this.anchor = anchor
    this.#source = source
    this.#get = source.statement(`SELECT ${WRITTEN} FROM audit WHERE seq=?`)
    this.#page = source.statement(`SELECT ${WRITTEN} FROM audit WHERE seq>? AND seq<=? ORDER BY seq LIMIT ?`)
    this.#last = source.statement("SELECT seq,hash FROM audit ORDER BY seq DESC LIMIT 1")
    this.#checkpoint = source.statement("SELECT * FROM audit_checkpoints ORDER BY through DESC LIMIT 1")
    this.#count = source.statement(
      `SELECT count(*) AS n FROM (SELECT 1 FROM audit WHERE tool=?1 AND at>=?2 AND (?3 IS NULL OR session_key=?3)
       AND (?4 IS NULL OR who=?4) AND (?5 IS NULL OR agent_id=?5) AND (?6 IS NULL OR type=?6) LIMIT ?7)`,
    )
  }

  async get(seq: number): Promise<AuditRecord | undefined> {
    const row = this.#get.get(seq)
    return row && decodeRecord(stored(row))
  }

  async list(filter: AuditFilter): Promise<AuditRecord[]> {
    const wanted: [string, string | number | undefined][] = [
      ["seq>?", filter.after],
      ["seq<?", filter.before],
      ["session_key=?", filter.sessionKey],
      ["tool=?", filter.tool],
      ["type=?", filter.type],
      ["at>=?", filter.since],
      ["at<?", filter.until],
    ]
    const given = wanted.filter((one): one is [string, string | number] => one[1] !== undefined)
    const where = given.length === 0 ? "" : `WHERE ${given.map(([sql]) => sql).join(" AND ")}`
    const rows = this.#source.query(
      `SELECT ${WRITTEN} FROM audit ${where} ORDER BY seq ${filter.newest ? "DESC" : "ASC"} LIMIT ?`,
      [...given.map(([, value]) => value), filter.limit],
    )
    return rows.map((row) => decodeRecord(stored(row)))
  }

  /** Records about this tool since then; by an index alone. */
  async count(wanted: AuditCount): Promise<number> {
    const { agentId = null, atMost = -1, sessionKey = null, since, tool, type = null, who = null } = wanted
    return int(this.#count.get(tool, since, sessionKey, who, agentId, type, atMost)!, "n")
  }

  /** The last record, or where the chain begins. */
  protected head(): ChainLink {
    const row = this.#last.get()
    return row ? { seq: int(row, "seq"), hash: text(row, "hash") } : this.start().link
  }

  /** The record before the first that is there. */
  protected start(): { link: ChainLink; bad?: string } {
    const row = this.#checkpoint.get()
    if (!row) return { link: CHAIN_START }
    const link = { seq: int(row, "through"), hash: text(row, "hash") }
    const signed = { through: link.seq, hash: link.hash, at: int(row, "at"), who: text(row, "who") }
    if (this.anchor.signed(signed, text(row, "mac"))) return { link }
    return {
      link,
      bad: `The mark that says that records up to ${link.seq} were pruned is not signed with this home's key`,
    }
  }

  /** Walks the whole chain, in pieces, and compares its end with the anchor. */
  async verify(): Promise<AuditVerification> {
    const { link, bad } = this.start()
    const walk = new ChainWalk(link)
    if (bad !== undefined) walk.bad = { firstBad: 1, reason: bad }
    // The anchor first: what is recorded meanwhile is newer than it.
    const state = this.anchor.read()
    const until = Math.max(this.head().seq, link.seq)
    let rows = this.#page.all(0, until, PAGE)
    while (rows.length > 0) {
      for (const row of rows) if (!walk.take(stored(row))) break
      if (walk.bad) break
      await new Promise((resolve) => setImmediate(resolve))
      rows = this.#page.all(walk.head.seq, until, PAGE)
    }
    if (!walk.bad) walk.bad = this.againstAnchor(state, walk.head)
    return walk.result(link.seq)
  }

  /** What an anchor has against a chain that ends with `head`. */
  protected againstAnchor(state: ReturnType<AnchorFile["read"]>, head: ChainLink): ChainWalk["bad"] {
    if (state.type === "absent")
      return head.seq === 0
        ? undefined
        : {
            firstBad: head.seq,
            reason: `The anchor ${this.anchor.path} is missing: whether records were removed from the end cannot be told`,
          }
    if (state.type === "bad") return { firstBad: head.seq, reason: state.reason }
    const { flaws, head: known } = state.anchor
    const [flaw] = flaws
    if (flaw) return { firstBad: flaw.firstBad, reason: `${flaw.reason} (found ${new Date(flaw.at).toISOString()})` }
    if (known.seq > head.seq) {
      const missing =
        known.seq === head.seq + 1 ? `Record ${known.seq} was` : `Records ${head.seq + 1} to ${known.seq} were`
      return { firstBad: head.seq + 1, reason: `${missing} removed from the end` }
    }
    const row = this.#get.get(known.seq)
    const hash = row ? text(row, "hash") : this.start().link.seq === known.seq ? this.start().link.hash : undefined
    if (hash === undefined || hash === known.hash) return undefined
    return { firstBad: known.seq, reason: `Record ${known.seq} is not the one that was written under this number` }
  }
}

function stored(row: Row): StoredRecord {
  return { seq: int(row, "seq"), previous: text(row, "previous"), hash: text(row, "hash"), data: text(row, "data") }
}
