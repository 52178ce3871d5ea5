// `pincer approvals watch`: asks as questions come, of every session, until somebody leaves. In a pipe it prints what comes, one JSON
// object a line, and answers nothing.
import { isObject } from "../base/json.ts"
import type { EventFrame } from "../protocol/frame.ts"
import { pendingApprovals } from "./approvals.ts"
import { Asker, terminalKeys } from "./approve.ts"
import type { Cli } from "./cli.ts"
import { PATIENT, type Reach, reachGateway } from "./connect.ts"
import { inertJson } from "./inert.ts"
import { questionOf } from "./question.ts"
import { stringOf } from "./turn.ts"

type Fields = Record<string, unknown>

/** Returns on Ctrl-C. Throws when the gateway is gone for good. */
export async function watchApprovals(cli: Cli): Promise<void> {
  const caps = cli.interactive ? ["approvals"] : []
  const link = await reachGateway(cli, { otherwise: "start", caps, reconnect: PATIENT })
  const left = Promise.withResolvers<void>()
  const leave = () => left.resolve()
  process.on("SIGINT", leave)
  process.on("SIGTERM", leave)
  const watch = cli.interactive ? new Watch(cli, link) : new Tell(cli, link)
  try {
    await watch.begin()
    const lost = link.client.closed.then((reason) => {
      throw reason
    })
    await Promise.race([left.promise, lost])
  } finally {
    watch.end()
    process.off("SIGINT", leave)
    process.off("SIGTERM", leave)
    await link.close()
  }
}

/** What both ways of watching share: each question is heard once, also after the connection was lost. */
abstract class Watcher {
  protected readonly cli: Cli
  readonly #link: Reach
  readonly #seen = new Set<string>()
  readonly #stops: (() => void)[] = []

  constructor(cli: Cli, link: Reach) {
    this.cli = cli
    this.#link = link
  }

  async begin(): Promise<void> {
    const { client } = this.#link
    const heard = (then: (row: Fields) => void) => (frame: EventFrame) => {
      if (isObject(frame.payload)) then(frame.payload)
    }
    this.#stops.push(
      client.on(
        "exec.approval.requested",
        heard((row) => this.#hear(row)),
      ),
      client.on(
        "exec.approval.resolved",
        heard((row) => this.answered(row)),
      ),
      client.on("connection.restored", () => void this.#catchUp()),
    )
    await this.#catchUp()
  }

  async #catchUp(): Promise<void> {
    for (const row of await pendingApprovals(this.#link.client)) this.#hear(row)
  }

  #hear(row: Fields): void {
    const id = stringOf(row["id"]) ?? ""
    if (this.#seen.has(id)) return
    this.#seen.add(id)
    this.asked(row)
  }

  end(): void {
    for (const stop of this.#stops) stop()
  }

  protected abstract asked(row: Fields): void
  protected abstract answered(row: Fields): void
}

class Watch extends Watcher {
  readonly #asker: Asker

  constructor(cli: Cli, link: Reach) {
    super(cli, link)
    this.#asker = new Asker(link.client, cli.out, terminalKeys(process.stdin))
    cli.out.line(cli.out.paint("Waiting for questions. Ctrl-C leaves.", "dim"))
  }

  protected asked(row: Fields): void {
    this.#asker.ask(questionOf(row))
  }

  protected answered(row: Fields): void {
    const reason = stringOf(row["status"])
    this.#asker.answered(stringOf(row["id"]) ?? "", stringOf(row["decision"]) ?? null, reason)
  }

  override end(): void {
    super.end()
    this.#asker.stop()
  }
}

class Tell extends Watcher {
  protected asked(row: Fields): void {
    this.cli.out.line(inertJson(JSON.stringify({ type: "approval.requested", ...row })))
  }

  protected answered(row: Fields): void {
    this.cli.out.line(inertJson(JSON.stringify({ type: "approval.resolved", ...row })))
  }
}
