// Opens the database and lays out its nouns. `Store` is what every room sees; `Books` adds what only the agent writes.
import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import { patternsOnly, type Redactor } from "../base/redact.ts"
import { ApprovalTable } from "./approvals.ts"
import { AuditTable } from "./audit.ts"
import { Database, type DatabaseOptions } from "./database.ts"
import { DeviceCodeTable } from "./device-codes.ts"
import { DeviceTable } from "./devices.ts"
import { DraftTable } from "./drafts.ts"
import { ElevationTable } from "./elevations.ts"
import { GrantTable } from "./grants.ts"
import { GroupTable } from "./groups.ts"
import { JobTable } from "./jobs.ts"
import { Journal } from "./journal.ts"
import { NoteTable } from "./notes.ts"
import { PlanTable } from "./plans.ts"
import { ResponseTable } from "./responses.ts"
import { RunTable } from "./runs.ts"
import { ScheduleTable } from "./schedules.ts"
import { SessionTable } from "./sessions.ts"
import { StepTable } from "./steps.ts"
import type { Store } from "./store.ts"
import { TickTable } from "./ticks.ts"
import { TranscriptTable } from "./transcript.ts"
import { TurnTable } from "./turns.ts"
import { UsageTable } from "./usage.ts"
import { WordTable } from "./words.ts"
import { WordsBacklog } from "./words-backlog.ts"

export interface Books extends Store {
  readonly turns: TurnTable
  readonly journal: Journal
  readonly drafts: DraftTable
  readonly approvals: ApprovalTable
  readonly grants: GrantTable
  readonly elevations: ElevationTable
  readonly notes: NoteTable
  readonly audit: AuditTable
  readonly jobs: JobTable
  readonly runs: RunTable
  readonly schedules: ScheduleTable
  readonly ticks: TickTable
  /** Transcripts that are not in the index of words yet. */
  readonly wordsBacklog: WordsBacklog
}

/**
 * Opens the store. Throws UNAVAILABLE naming the path when it cannot be opened or was written by a newer Pincer. What the audit
 * records and what messages can be found by goes through the redactor.
 */
export function openStore(
  options: DatabaseOptions,
  clock: Clock,
  log: Logger,
  redactor: Redactor = patternsOnly,
): Books {
  const db = new Database(options)
  const words = new WordTable(db, redactor)
  const sessions = new SessionTable(db, clock, words)
  const plans = new PlanTable(db)
  const transcript = new TranscriptTable(db, clock, sessions, words, plans)
  const usage = new UsageTable(db)
  const grants = new GrantTable(db, clock)
  const turns = new TurnTable(db, clock, sessions, transcript, usage)
  const steps = new StepTable(db, clock)
  const schedules = new ScheduleTable(db, clock)
  const audit = new AuditTable({ db, path: options.path, clock, log, redactor })
  return {
    sessions,
    groups: new GroupTable(db),
    transcript,
    plans,
    usage,
    turns,
    journal: new Journal(db, turns, steps),
    drafts: new DraftTable(db, clock, turns, log),
    approvals: new ApprovalTable(db, clock, turns, grants),
    grants,
    elevations: new ElevationTable(db),
    devices: new DeviceTable(db, clock),
    deviceCodes: new DeviceCodeTable(db, clock),
    notes: new NoteTable(db),
    jobs: new JobTable(db, clock),
    runs: new RunTable(db, clock, steps),
    schedules,
    ticks: new TickTable(db, clock, schedules),
    responses: new ResponseTable(db),
    wordsBacklog: new WordsBacklog(db, words),
    audit,
    size: () => db.size(),
    rest: () => db.rest(),
    close: async () => {
      audit.close()
      db.close()
    },
  }
}
