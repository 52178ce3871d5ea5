// commands.list: every command there is, with its arguments as a JSON Schema.
import type { Argument, Command } from "../command.ts"
import { drained } from "./items.ts"

export const commandsList: Command = {
  name: "commands.list",
  description: "Every command, with its arguments",
  args: {},
  examples: [{ text: "commands.list | pick name,description | table", description: "For people" }],
  sideEffects: [],
  effect: "read",
  async run({ items }, context) {
    await drained(items)
    return {
      items: context
        .commands()
        .flatMap((command) => [command.name, ...(command.aliases ?? [])].map((name) => shown(command, name)))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    }
  },
}

function shown(command: Command, name: string) {
  const { args, description, examples, positional, sideEffects } = command
  const properties: Record<string, unknown> = Object.fromEntries(
    Object.entries(args).map(([key, argument]) => [key, schemaOf(argument)]),
  )
  properties["_"] = {
    type: "array",
    items: { type: "string" },
    ...(positional ? { description: positional.description } : {}),
  }
  const required = Object.entries(args).flatMap(([key, argument]) => (argument.required ? [key] : []))
  return { name, description, argsSchema: { type: "object", properties, required }, examples, sideEffects }
}

function schemaOf({ default: value, description, enum: choices, type }: Argument): Record<string, unknown> {
  return {
    ...(type === "json" ? {} : { type }),
    description,
    ...(choices ? { enum: choices } : {}),
    ...(value === undefined ? {} : { default: value }),
  }
}
