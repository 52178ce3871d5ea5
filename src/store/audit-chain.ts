// The arithmetic of the audit: how a record is written down and hashed, and what breaks a chain of them. Pure; the same for the
// database and for an export on another machine.
import { createHash } from "node:crypto"
import { canonicalJson, isObject, parseJson } from "../base/json.ts"
import type { AuditEntry, AuditRecord, AuditVerification } from "../protocol/audit.ts"

export const NO_HASH = "0".repeat(64)

/** A link of the chain: the record before the first one that is looked at. */
export interface ChainLink {
  seq: number
  hash: string
}

export const CHAIN_START: ChainLink = { seq: 0, hash: NO_HASH }

/** A record as it lies in the database: `data` is the canonical JSON of the entry with its number. */
export interface StoredRecord {
  seq: number
  previous: string
  hash: string
  data: string
}

export function hashOf(previous: string, data: string): string {
  return createHash("sha256").update(previous).update(data).digest("hex")
}

/** The next record of a chain that ends with `head`. */
export function seal(head: ChainLink, entry: AuditEntry): StoredRecord {
  const seq = head.seq + 1
  const data = canonicalJson({ ...entry, seq })
  return { seq, previous: head.hash, hash: hashOf(head.hash, data), data }
}

export function decodeRecord({ previous, hash, data }: Omit<StoredRecord, "seq">): AuditRecord {
  return { ...(JSON.parse(data) as AuditEntry & { seq: number }), previous, hash }
}

/** Walks a chain record by record and stops at the first that is not as it was. */
export class ChainWalk {
  records = 0
  head: ChainLink
  bad: { firstBad: number; reason: string } | undefined

  /** `start`: the record before the first one. */
  constructor(start: ChainLink) {
    this.head = start
  }

  /** False once the chain is broken. */
  take(record: StoredRecord): boolean {
    if (this.bad) return false
    const { head } = this
    const expected = head.seq + 1
    if (record.seq > expected) {
      const missing =
        record.seq - 1 === expected ? `Record ${expected} is` : `Records ${expected} to ${record.seq - 1} are`
      return this.#break(expected, `${missing} missing`)
    }
    if (record.seq < expected) return this.#break(record.seq, `Record ${record.seq} stands where ${expected} belongs`)
    if (numberIn(record.data) !== record.seq)
      return this.#break(record.seq, `Record ${record.seq} holds what was written under another number`)
    if (hashOf(record.previous, record.data) !== record.hash)
      return this.#break(record.seq, `Record ${record.seq} was changed: its hash does not fit what it says`)
    if (record.previous !== head.hash)
      return this.#break(
        record.seq,
        head.seq === 0
          ? `Record ${record.seq} is not the first that was written`
          : `Record ${record.seq} does not follow from record ${head.seq}: one of them was replaced`,
      )
    this.head = { seq: record.seq, hash: record.hash }
    this.records += 1
    return true
  }

  #break(firstBad: number, reason: string): false {
    this.bad = { firstBad, reason }
    return false
  }

  result(prunedThrough: number): AuditVerification {
    const { bad, head, records } = this
    return { ok: bad === undefined, records, head, prunedThrough, ...bad }
  }
}

function numberIn(data: string): unknown {
  try {
    const value: unknown = JSON.parse(data)
    return isObject(value) ? value["seq"] : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

const FORMAT = "pincer-audit"

/** The lines of an export: what it is, the records, and where the chain ended, so that a cut-off tail is seen. */
export function exportHead(previous: ChainLink, at: number): string {
  return canonicalJson({ format: FORMAT, version: 1, exportedAt: at, previous })
}

export function exportLine(record: AuditRecord): string {
  return canonicalJson(record)
}

export function exportEnd(head: ChainLink, records: number): string {
  return canonicalJson({ end: true, head, records })
}

/** Checks an export line by line, without a database. Throws SyntaxError when it is none. */
export class ExportWalk {
  #walk: ChainWalk | undefined
  #end: { head: ChainLink; records: number } | undefined
  #start: ChainLink = CHAIN_START

  take(line: string): void {
    const value = parseJson(line)
    if (!isObject(value)) throw new SyntaxError("A line of an export is a JSON object")
    if (!this.#walk) {
      if (value["format"] !== FORMAT || value["version"] !== 1)
        throw new SyntaxError(`The file is not an export of the audit: its first line names no format "${FORMAT}"`)
      this.#start = linkIn(value["previous"])
      this.#walk = new ChainWalk(this.#start)
      return
    }
    if (value["end"] === true) {
      this.#end = { head: linkIn(value["head"]), records: Number(value["records"]) }
      return
    }
    const { hash, previous, ...rest } = value
    this.#walk.take({
      seq: Number(value["seq"]),
      previous: String(previous),
      hash: String(hash),
      data: canonicalJson(rest),
    })
  }

  result(): AuditVerification {
    const walk = this.#walk
    if (!walk) throw new SyntaxError("The file is empty")
    const { head, records } = walk
    if (!walk.bad) {
      const end = this.#end
      if (!end)
        walk.bad = { firstBad: head.seq + 1, reason: `The export ends after record ${head.seq} without saying so` }
      else if (end.head.seq !== head.seq || end.records !== records)
        walk.bad = {
          firstBad: head.seq + 1,
          reason: `Records ${head.seq + 1} to ${end.head.seq} are missing at the end`,
        }
      else if (end.head.hash !== head.hash)
        walk.bad = { firstBad: head.seq, reason: `Record ${head.seq} is not the one that the export ended with` }
    }
    return walk.result(this.#start.seq)
  }
}

function linkIn(value: unknown): ChainLink {
  if (!isObject(value) || typeof value["seq"] !== "number" || typeof value["hash"] !== "string")
    throw new SyntaxError("A line of the export does not say which record it means")
  return { seq: value["seq"], hash: value["hash"] }
}
