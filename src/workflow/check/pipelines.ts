// What can be said of a pipeline's text before it runs: names of commands, and their arguments.
import { nearWords } from "../../base/spelling.ts"
import type { Argument, Command, PipelineStage } from "../command.ts"
import type { Problem } from "../definition.ts"
import { parsePipeline } from "../language/grammar.ts"
import { templatesIn } from "../language/template.ts"

type Finding = Pick<Problem, "level" | "code" | "message">

export function checkPipeline(text: string, commands: ReadonlyMap<string, Command>): Finding[] {
  let stages: PipelineStage[]
  try {
    stages = parsePipeline(text)
  } catch (error) {
    // What a template puts in may close a quote, or open one.
    const level = templatesIn(text).length > 0 ? "warning" : "error"
    return [{ level, code: "pipeline", message: error instanceof Error ? error.message : String(error) }]
  }
  return stages.flatMap((stage) => {
    if (templatesIn(stage.name).length > 0) return []
    const command = commands.get(stage.name)
    if (command) return checkStage(stage, command)
    const [near] = nearWords(stage.name, [...commands.keys()])
    const hint = near === undefined ? "" : `: did you mean "${near}"?`
    return [{ level: "error" as const, code: "unknown-command", message: `there is no command "${stage.name}"${hint}` }]
  })
}

function checkStage(stage: PipelineStage, command: Command): Finding[] {
  const found: Finding[] = []
  const names = Object.keys(command.args)
  for (const [name, value] of Object.entries(stage.args)) {
    if (name === "_" || command.open) continue
    const argument = Object.hasOwn(command.args, name) ? command.args[name] : undefined
    if (argument) found.push(...checkValue(command.name, name, argument, value as string | true))
    else {
      const [near] = nearWords(name, names)
      const hint = near === undefined ? "" : `: did you mean --${near}?`
      found.push({ level: "warning", code: "unknown-argument", message: `${command.name} has no --${name}${hint}` })
    }
  }
  for (const [name, { required }] of Object.entries(command.args))
    if (required && !Object.hasOwn(stage.args, name))
      found.push({ level: "error", code: "missing", message: `${command.name} needs --${name}` })
  const { _: words } = stage.args
  if (command.positional?.required && words.length === 0)
    found.push({ level: "error", code: "missing", message: `${command.name} needs ${command.positional.description}` })
  const most = command.positional === undefined ? 0 : command.positional.many ? Number.POSITIVE_INFINITY : 1
  if (!command.open && words.length > most)
    found.push({
      level: "warning",
      code: "extra-word",
      message: `${command.name} does not look at "${words[most]}"${hintFor(command, words[most]!)}`,
    })
  return found
}

/** "head 3" means ten items: what was meant has a name. */
function hintFor(command: Command, word: string): string {
  const number = Object.entries(command.args).find(([, argument]) => argument.type === "number")
  return /^\d+$/.test(word) && number ? `: did you mean --${number[0]} ${word}?` : ""
}

function checkValue(command: string, name: string, argument: Argument, value: string | true): Finding[] {
  if (value === true || templatesIn(value).length > 0) return []
  const wrong = (what: string): Finding[] => [
    { level: "error", code: "argument", message: `${command} --${name} must be ${what}, not "${value}"` },
  ]
  if (argument.enum && !argument.enum.includes(value)) return wrong(argument.enum.join(", "))
  if (argument.type === "number" && (value.trim() === "" || Number.isNaN(Number(value)))) return wrong("a number")
  if (argument.type !== "json") return []
  try {
    JSON.parse(value)
    return []
  } catch {
    return wrong("JSON")
  }
}
