// The host of external agents: runs turns in them, tries them, and knows which of them run.
import type { AgentProfile } from "../../agent/agent.ts"
import type { HostedEnd, HostedTurn } from "../../agent/harness.ts"
import { asPincerError, PincerError } from "../../base/errors.ts"
import { RpcFailure, saidBy } from "../peer.ts"
import type { AgentReport, HostPorts, WarmAgent } from "./host-ports.ts"
import type { OwnSession } from "./host-session.ts"
import { HostTurn } from "./host-turn.ts"
import { Leftovers } from "./leftovers.ts"
import { agentName, linkSpec } from "./link-spec.ts"
import { loginNeeded, NeedsVariables, wantsLogin } from "./login.ts"
import { AgentPool, type Lease } from "./pool.ts"
import { applyChoices, type Choices } from "./session-settings.ts"

const PROBE_MS = 60_000

export class HostedAgents {
  readonly #ports: HostPorts
  readonly #pool: AgentPool

  constructor(ports: HostPorts) {
    this.#ports = ports
    const { leftovers: file, log } = ports
    const leftovers = new Leftovers({ log, file })
    this.#pool = new AgentPool(ports, leftovers)
    // What an earlier life left is ended whether or not anybody uses an agent in this one.
    void leftovers.sweep()
  }

  /** Always resolves. */
  async run(turn: HostedTurn): Promise<HostedEnd> {
    try {
      return await this.#run(turn, {}, 0)
    } catch (error) {
      if (turn.signal.aborted) return { stop: "aborted" }
      if (!(error instanceof PincerError) && !(error instanceof RpcFailure))
        this.#ports.log.error({ err: error, turnId: turn.request.turnId }, "A turn of an external agent failed")
      return { stop: "error", error: errorTold(error) }
    }
  }

  async #run(turn: HostedTurn, extra: Readonly<Record<string, string>>, tries: number): Promise<HostedEnd> {
    const { hosted } = turn.profile
    const spec = await linkSpec(this.#ports, turn.profile, turn.cwd, extra)
    const lease = await this.#pool.acquire(spec, hosted?.idleMs ?? 0, turn.signal)
    if (!lease) return { stop: "aborted" }
    const { link } = lease
    const room = { ports: this.#ports, link, turn, agent: agentName(turn.profile) }
    const one = new HostTurn({ ...room, endAgent: (reason) => this.#pool.ended(link.end(reason, "now")) })
    try {
      const end = await one.run()
      if (end.stop !== "error") this.#pool.succeeded(link)
      return end
    } catch (error) {
      if (error instanceof NeedsVariables && tries === 0) return await this.#run(turn, error.variables, 1)
      // A warm process that turns out to be gone has not been asked anything: another one is begun.
      if (!one.prompted && !lease.fresh && !link.ready && tries === 0 && !turn.signal.aborted)
        return await this.#run(turn, extra, 1)
      throw named(error, lease)
    } finally {
      lease.release()
    }
  }

  /** Starts the agent, begins a session that nobody uses, and says what it found. Throws PincerError. */
  async probe(profile: AgentProfile, cwd: string): Promise<AgentReport> {
    const spec = await linkSpec(this.#ports, profile, cwd)
    const lease = await this.#pool.acquire(spec, profile.hosted?.idleMs ?? 0, AbortSignal.timeout(PROBE_MS * 2))
    if (!lease) throw new PincerError("TIMEOUT", `${spec.title} did not start in time`)
    const { link } = lease
    const begunAt = this.#ports.clock.now()
    const report = (session: AgentReport["session"]): AgentReport => {
      const sessionMs = this.#ports.clock.now() - begunAt
      return { command: spec.argv, facts: link.facts, startMs: link.startMs, sessionMs, session }
    }
    const begin = () => link.request("session/new", { cwd, mcpServers: [] }, { timeoutMs: PROBE_MS })
    try {
      const { book, id } = await link.open(begin, { of: { key: "", log: "" }, known: undefined, made: () => undefined })
      link.forget(id)
      if (link.facts.abilities.close) await link.request("session/close", { sessionId: id }, { timeoutMs: PROBE_MS })
      const { mode, modes, options } = book
      const facts = { modes: [...modes], options: [...options], ...(mode === undefined ? {} : { mode }) }
      return report({ type: "ready", facts })
    } catch (error) {
      if (wantsLogin(error, link)) return report({ type: "login", message: loginNeeded(link, error).message })
      throw named(error, lease)
    } finally {
      lease.release()
    }
  }

  /**
   * Sets what was chosen in a session that is open now, at once. False when it is not open: it is set before its next prompt. Throws
   * INVALID_PARAMS for what the agent does not know, and UNAVAILABLE when it refuses.
   */
  async set({ key, log }: OwnSession, choices: Choices): Promise<boolean> {
    for (const { link } of this.#pool.running()) {
      const session = [...link.sessions.values()].findLast((one) => one.key === key && one.log === log)
      if (!session || session.replaying) continue
      await applyChoices(choices, { link, session, signal: new AbortController().signal })
      return true
    }
    return false
  }

  /** The processes that run now. */
  warm(): WarmAgent[] {
    return this.#pool.running().map(({ idleSince, link }) => ({
      agentId: link.spec.agentId,
      command: link.spec.argv,
      pid: link.pid ?? 0,
      confined: link.spec.confined,
      startedAt: link.startedAt,
      idleSince,
      sessions: link.sessions.size,
      turns: link.ears.length,
      facts: link.facts,
    }))
  }

  /** Ends all agents. Resolves when nothing of them is left. */
  close(): Promise<void> {
    return this.#pool.close()
  }
}

/** What the agent refused, with its name. */
function named(error: unknown, { link }: Lease): unknown {
  if (!(error instanceof RpcFailure)) return error
  return new PincerError("UNAVAILABLE", `${link.who} refused: ${saidBy(error)}`, { cause: error, retryable: false })
}

function errorTold(error: unknown): NonNullable<HostedEnd["error"]> {
  const { code, message, retryAfterMs } = asPincerError(error)
  return { code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}
