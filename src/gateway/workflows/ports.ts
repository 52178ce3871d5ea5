// What the engine of workflows may do in this house: everything through the one pipeline of judgement, in the name of whoever started the run.
import { join } from "node:path"
import type { Lanes } from "../../agent/agent.ts"
import type { Desk } from "../../agent/approvals.ts"
import type { Ports } from "../../agent/ports.ts"
import { agentTools } from "../../agent/turn-tools.ts"
import { processBirth } from "../../base/process-birth.ts"
import { NO_USAGE } from "../../protocol/message.ts"
import type { RunEvent } from "../../protocol/workflow.ts"
import { commandEnvironment } from "../../tools/environment.ts"
import type { Tool } from "../../tools/tool.ts"
import { commands } from "../../workflow/commands/index.ts"
import type { EnginePorts } from "../../workflow/engine/ports.ts"
import { askAgent, askModel } from "./answers.ts"
import { StepLeaves } from "./leave.ts"
import { prepareStepProgram } from "./programs.ts"
import { fetchForStep, readForStep, toolForStep } from "./requests.ts"
import { StepRooms } from "./step-room.ts"

export interface HouseParts {
  ports: Ports
  lanes: () => Lanes
  desk: Desk
  publish: (event: RunEvent) => void
  checkpoint?: EnginePorts["checkpoint"]
}

export interface HousePorts extends EnginePorts {
  leaves: StepLeaves
  rooms: StepRooms
}

export function outputsOf(home: string): string {
  return join(home, "workflow", "outputs")
}

export function housePorts({ checkpoint, desk, lanes, ports, publish }: HouseParts): HousePorts {
  const { books, catalogue, clock, log, toolSettings: settings } = ports
  const rooms = new StepRooms(ports)
  const leaves = new StepLeaves(desk, rooms, () => ports.settings.approvalTimeoutMs)
  const outputs = outputsOf(ports.home)
  const programs = { settings, leaves, rooms, outputs }
  const answers = { lanes, catalogue, rooms }
  const prepare: NonNullable<EnginePorts["prepare"]> = async (program, address, signal, warn) =>
    prepareStepProgram(programs, await rooms.of(address, signal), program, warn)
  return {
    runs: books.runs,
    clock,
    log,
    holder: { pid: process.pid, birth: processBirth(process.pid) ?? "unknown" },
    isAlive: ({ birth, pid }) => processBirth(pid) === birth,
    get env() {
      return commandEnvironment(settings.exec.env)
    },
    spillFolder: outputs,
    commands,
    rooms,
    leaves,
    run: async (...asked) => (await prepare(...asked))(),
    prepare,
    readText: async (path, address, signal) => readForStep(programs, await rooms.of(address, signal), path),
    fetch: async (request, address, signal) => fetchForStep(programs, await rooms.of(address, signal), request),
    model: async (request, address, signal) => askModel(answers, await rooms.of(address, signal), request),
    agent: async (request, address, signal) => askAgent(answers, await rooms.of(address, signal), request),
    async tool(name, args, address, signal) {
      const room = await rooms.of(address, signal)
      const profile = ports.agents.get(room.caller.agentId)
      const table = profile && (await agentTools(ports, profile, room.cwd, signal))
      return toolForStep(programs, room, table?.byName ?? new Map<string, Tool>(), name, args)
    },
    price: ({ inputTokens, model, outputTokens }) => {
      const slash = model.indexOf("/")
      const ref = { provider: model.slice(0, Math.max(0, slash)), model: model.slice(slash + 1) }
      return catalogue.cost(ref, { ...NO_USAGE, inputTokens, outputTokens })
    },
    publish,
    checkpoint: checkpoint ?? (() => undefined),
  }
}
