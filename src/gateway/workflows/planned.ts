// Plans of workflows, with the files that they name. Everything that only plans need is loaded with this file.
import { readFileSync, realpathSync, statSync } from "node:fs"
import type { WorkflowPlan } from "../../protocol/workflow-plan.ts"
import type { Command } from "../../workflow/command.ts"
import type { Definition } from "../../workflow/definition.ts"
import { commandTable } from "../../workflow/engine/pipeline.ts"
import type { EnginePorts } from "../../workflow/engine/ports.ts"
import { readWorkflow } from "../../workflow/file/read.ts"
import { planOf, planOfPipeline } from "../../workflow/plan/plan.ts"

const MAX_FILE = 4_000_000

/** Throws INVALID_PARAMS for arguments that do not fit. */
export function planned(
  what: { definition: Definition } | { pipeline: string },
  args: Readonly<Record<string, unknown>>,
  place: { cwd: string; commands: readonly Command[]; price?: EnginePorts["price"] },
): Promise<WorkflowPlan> {
  const { cwd, price } = place
  const room = { cwd, load, commands: commandTable(place.commands), ...(price ? { price } : {}) }
  return "pipeline" in what ? planOfPipeline(what.pipeline, room) : planOf(what.definition, args, room)
}

function load(file: string): { definition: Definition; real: string } | undefined {
  try {
    const real = realpathSync(file)
    if (statSync(real).size > MAX_FILE) return undefined
    const { definition } = readWorkflow(readFileSync(real, "utf8"), real)
    return definition && { definition, real }
  } catch {
    // The plan says that it could not be looked at.
    return undefined
  }
}
