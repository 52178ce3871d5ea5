// What doing a step twice would mean: as the file says, or the strongest that it may do.
import type { Effect } from "../../store/steps.ts"
import type { Command } from "../command.ts"
import type { StepDefinition } from "../definition.ts"
import { parsePipeline } from "../language/grammar.ts"

export function effectOf(step: StepDefinition, commands: ReadonlyMap<string, Command>): Effect {
  if (step.effect === "read") return "read"
  const { body } = step
  switch (body.type) {
    case "none":
    // What they hold is journalled step by step.
    case "for_each":
    case "parallel":
    case "workflow":
      return "read"
    case "pipeline":
      return step.effect === "write" ? "once" : effectOfPipeline(body.text, commands)
    case "http":
      return step.effect === "write" || !["GET", "HEAD"].includes(body.method) ? "once" : "read"
    case "shell":
    case "argv":
    case "tool":
    case "agent":
      return "once"
  }
}

/** The strongest effect of a line's commands; what cannot be read yet may do anything. */
export function effectOfPipeline(text: string, commands: ReadonlyMap<string, Command>): Effect {
  const effects = new Set<Effect>()
  try {
    for (const stage of parsePipeline(text)) effects.add(commands.get(stage.name)?.effect ?? "once")
  } catch {
    // Its text becomes readable only once its templates are filled in.
    return "once"
  }
  return effects.has("once") ? "once" : effects.has("idempotent") ? "idempotent" : "read"
}
