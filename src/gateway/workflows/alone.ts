// Workflows without a gateway: the same engine on the same store, in a process of its own. Everything that takes long to load (configuration,
// policy, sandbox) is loaded when the first step needs it: a pipeline that only turns items around never does.
import { dirname, join } from "node:path"
import { systemClock } from "../../base/clock.ts"
import { PincerError } from "../../base/errors.ts"
import { silentLogger } from "../../base/log.ts"
import { processBirth } from "../../base/process-birth.ts"
import { type Env, type PathFlags, resolvePaths } from "../../config/paths.ts"
import { isDangerousVariable } from "../../policy/dangerous-variables.ts"
import { NO_USAGE } from "../../protocol/message.ts"
import type { RunEvent } from "../../protocol/workflow.ts"
import { openRuns } from "../../store/run-file.ts"
import type { RunTable } from "../../store/runs.ts"
import type { Command } from "../../workflow/command.ts"
import { commands as ownCommands } from "../../workflow/commands/index.ts"
import type { EnginePorts } from "../../workflow/engine/ports.ts"
import { WorkflowEngine } from "../../workflow/engine/workflow-engine.ts"
import type { AloneActs } from "./alone-acts.ts"

export interface AloneOptions {
  env: Env
  flags: PathFlags
  /** Where its runs work: what their programs may write to. */
  cwd: string
  /** The database; default: that of the home. */
  db?: string
  durability: "full" | "normal"
  unsandboxed: boolean
  /** Somebody at the terminal who can be asked. */
  confirm?: (question: string) => Promise<boolean>
  publish?: (event: RunEvent) => void
  /** In place of those of this house. */
  commands?: readonly Command[]
  checkpoint?: EnginePorts["checkpoint"]
  /** Stands in for parts of the world, for tests of workflows and programs that use the engine. */
  world?: Partial<Pick<EnginePorts, "run" | "readText" | "fetch" | "model" | "tool" | "agent" | "price" | "clock">>
}

export interface Alone {
  engine: WorkflowEngine
  runs: RunTable
  commands: readonly Command[]
  /** Holds a folder for each run. */
  outputs: string
  isAlive: EnginePorts["isAlive"]
  close(): void
}

export function openAlone(options: AloneOptions): Alone {
  const { env, flags, world = {} } = options
  const clock = world.clock ?? systemClock
  const paths = resolvePaths(env, flags)
  const db = options.db ?? paths.db
  const { audit, close, runs } = openRuns({ path: db, durability: options.durability }, clock, silentLogger)
  const outputs = join(dirname(db), "workflow", "outputs")
  let acts: Promise<AloneActs> | undefined
  const actsOf = () => {
    const { confirm, cwd, unsandboxed } = options
    acts ??= import("./alone-acts.ts").then(({ openActs }) =>
      openActs({ env, flags, cwd, unsandboxed, audit, spillFolder: outputs, ...(confirm ? { confirm } : {}) }),
    )
    return acts
  }
  const commands = options.commands ?? ownCommands
  const isAlive: EnginePorts["isAlive"] = ({ birth, pid }) => processBirth(pid) === birth
  const engine = new WorkflowEngine({
    runs,
    clock,
    log: silentLogger,
    holder: { pid: process.pid, birth: processBirth(process.pid) ?? "unknown" },
    isAlive,
    env: plainEnv(env),
    spillFolder: outputs,
    commands,
    run: async (...args) => (await actsOf()).run(...args),
    // A world that runs programs itself judges them itself.
    ...(world.run ? {} : { prepare: async (...args) => (await actsOf()).prepare(...args) }),
    readText: async (...args) => (await actsOf()).readText(...args),
    fetch: async (...args) => (await actsOf()).fetch(...args),
    model: async () => needsGateway("A model"),
    tool: async (name) => needsGateway(`The tool ${name}`),
    agent: async () => needsGateway("An agent"),
    price: priceOf,
    publish: options.publish ?? (() => undefined),
    checkpoint: options.checkpoint ?? (() => undefined),
    ...world,
  })
  return {
    ...{ engine, runs, commands, outputs, isAlive },
    close() {
      void acts?.then(
        (opened) => opened.close(),
        // It never opened; whoever asked for it was told.
        () => undefined,
      )
      close()
    },
  }
}

/** By the table alone: "gpt-4o" and "openai/gpt-4o" name one price, a name that nobody knows none. */
export async function priceOf(of: {
  model: string
  inputTokens: number
  outputTokens: number
}): Promise<number | null> {
  const { tableCost } = await import("../../providers/prices.ts")
  const { inputTokens, outputTokens } = of
  const usage = { ...NO_USAGE, inputTokens, outputTokens }
  const slash = of.model.indexOf("/")
  const model = of.model.slice(slash + 1)
  const services = slash > 0 ? [of.model.slice(0, slash)] : ["openai", "anthropic", "gemini"]
  for (const service of services) {
    const cost = await tableCost(service, model, usage)
    if (cost !== null) return cost
  }
  return null
}

function needsGateway(what: string): never {
  throw new PincerError(
    "UNAVAILABLE",
    `${what} answers only in a gateway: start one with "pincer gateway start", and run this again`,
    { retryable: false },
  )
}

/** The caller's variables, without those that make programs load other code. */
function plainEnv(env: Env): Record<string, string> {
  const found = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !isDangerousVariable(entry[0]),
  )
  return Object.fromEntries(found)
}
