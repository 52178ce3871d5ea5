// Checks of the database and of the work that lies in it. One look serves them all.
import { dirname } from "node:path"
import { openAuditFile } from "../../store/audit-file.ts"
import { type DatabaseLook, lookInto } from "../../store/look.ts"
import { type Check, type CheckFinding, type DoctorRoom, ok, problem, sized, skipped, warning } from "./check.ts"

const STUCK_MS = 3_600_000
const LARGE_LOG = 256_000_000
/** A larger one would hold the gateway that looks at its own. */
const MAX_INSIDE = 64_000_000

const looks = new WeakMap<DoctorRoom, DatabaseLook>()

function look(room: DoctorRoom): DatabaseLook {
  const known = looks.get(room)
  if (known) return known
  const { paths, running, inside, clock } = room
  const options = { path: paths.db, inUse: inside || running !== undefined, stuckBefore: clock.now() - STUCK_MS }
  const found = lookInto({ ...options, ...(inside ? { maxBytes: MAX_INSIDE } : {}) })
  looks.set(room, found)
  return found
}

function readable(room: DoctorRoom): CheckFinding {
  const { state, text, dangling } = look(room)
  const { db } = room.paths
  const restore = "pincer gateway stop && pincer backup restore latest"
  if (state === "bad")
    return problem(text, `${restore}, or without a backup: mv ${db} ${db}.damaged && pincer gateway start`)
  if (dangling > 0) return warning(`${text}; ${dangling} rows point to rows that are not there`, "pincer backup create")
  return ok(text)
}

const UNKNOWN = "Not known while the database cannot be read"

function schema(room: DoctorRoom): CheckFinding {
  const { state, schema: has, knows } = look(room)
  if (state === "bad") return skipped(UNKNOWN)
  if (has === 0) return ok("There is no schema to compare")
  if (has > knows)
    return problem(`The database has schema ${has}, this Pincer knows ${knows}`, "install the newer Pincer again")
  if (has === knows) return ok(`Schema ${has}`)
  return ok(`Schema ${has}: the next start copies the database and brings it to ${knows}`)
}

function logOf(room: DoctorRoom): CheckFinding {
  const { state, bytes, logBytes } = look(room)
  if (state === "absent") return ok("There is no database yet")
  const text = `The database takes ${sized(bytes)}, its log ${sized(logBytes)}`
  return logBytes > LARGE_LOG ? warning(`${text}: something holds it open`, "pincer gateway restart") : ok(text)
}

function uncertain(room: DoctorRoom): CheckFinding {
  const { state, work } = look(room)
  if (state === "bad") return skipped(UNKNOWN)
  if (!work || work.uncertain === 0) return ok("Nothing that began is without an outcome")
  const many = work.uncertain === 1 ? "1 act that began has" : `${work.uncertain} acts that began have`
  return warning(`${many} no outcome: it is not known whether they happened`, "pincer audit list --type effect")
}

function stuck(room: DoctorRoom): CheckFinding {
  const { state, work } = look(room)
  if (state === "bad") return skipped(UNKNOWN)
  if (!work || work.stuck === 0) return ok("No turn has been running for more than an hour")
  const many = work.stuck === 1 ? "1 turn has" : `${work.stuck} turns have`
  const fix = room.inside || room.running ? "pincer session list" : "pincer gateway start"
  return warning(`${many} not ended for more than an hour`, fix)
}

function approvals(room: DoctorRoom): CheckFinding {
  const { state, work } = look(room)
  if (state === "bad") return skipped(UNKNOWN)
  if (!work || work.approvals === 0) return ok("Nothing waits for your answer")
  const many = work.approvals === 1 ? "1 call waits" : `${work.approvals} calls wait`
  const minutes = Math.round((room.clock.now() - (work.oldestApproval ?? room.clock.now())) / 60_000)
  return warning(`${many} for your answer, the oldest for ${minutes} min`, "pincer approvals list")
}

/** The chain of the audit is read from its first record to its last. */
async function auditWhole(room: DoctorRoom): Promise<CheckFinding> {
  const { state, logBytes } = look(room)
  if (state === "absent") return ok("There is no audit yet")
  if (state === "bad") return skipped(UNKNOWN)
  const { inside, running, paths } = room
  const reached = inside || running ? await room.reach() : { state: "none" as const }
  // In the gateway's own process its own hand reads it.
  if (reached.state === "answers") return told(await reached.ask("audit.verify", {}, 60_000))
  if (logBytes > 0)
    return skipped(`A crash left a log beside the database: start the gateway on ${dirname(paths.db)} to know`)
  const file = openAuditFile(paths.db, true)
  if (!file) return ok("There is no audit yet")
  try {
    return told({ ...(await file.reads.verify()) })
  } finally {
    file.close()
  }
}

function told(answer: Record<string, unknown>): CheckFinding {
  if (answer["ok"] === true) return ok(`The audit is whole: ${Number(answer["records"] ?? 0)} records`)
  return problem(
    `The audit is not whole: ${String(answer["reason"] ?? "a record does not fit")}`,
    "pincer audit verify",
  )
}

export const databaseChecks: readonly Check[] = [
  { id: "database.readable", category: "database", about: "the database is sound", run: readable },
  { id: "database.schema", category: "database", about: "this Pincer knows the database's schema", run: schema },
  { id: "database.log", category: "database", about: "the database's log does not grow without end", run: logOf },
  {
    id: "audit.whole",
    category: "database",
    about: "no record of the audit was changed or removed",
    security: true,
    run: auditWhole,
  },
  { id: "work.uncertain", category: "work", about: "acts that began and have no outcome", run: uncertain },
  { id: "work.stuck", category: "work", about: "turns that do not end", run: stuck },
  { id: "work.approvals", category: "work", about: "calls that wait for your answer", run: approvals },
]
