// template: one text for each item.
import { PincerError } from "../../base/errors.ts"
import type { Command, CommandContext, StageArgs } from "../command.ts"
import { fill } from "../language/item-template.ts"
import { textArg } from "./items.ts"

const MAX_BYTES = 1_000_000

export const template: Command = {
  name: "template",
  description: "Makes a text of each item",
  args: {
    text: { type: "string", description: "The template: {{path | filter}}" },
    file: { type: "string", description: "A file that holds the template" },
  },
  positional: { description: "The template, word by word", many: true },
  examples: [{ text: "template --text '- {{title | truncate 40}}'", description: "One line an item" }],
  sideEffects: [],
  effect: "read",
  async run({ items, args }, context) {
    const text = await templateOf(args, context)
    return {
      items: (async function* () {
        for await (const item of items) yield fill(text, item)
      })(),
    }
  },
}

async function templateOf(args: StageArgs, context: CommandContext): Promise<string> {
  const text = textArg(args, "text")
  if (text !== undefined) return text
  const file = textArg(args, "file")
  if (file === undefined) {
    if (args._.length > 0) return args._.join(" ")
    throw new PincerError("INVALID_PARAMS", "template needs --text, --file, or words")
  }
  try {
    const content = await context.readText(file)
    if (content.length > MAX_BYTES)
      throw new PincerError("TOO_LARGE", `template --file ${file} has more than ${MAX_BYTES} characters`)
    return content
  } catch (error) {
    if (error instanceof PincerError) throw error
    throw new PincerError("NOT_FOUND", `template --file ${file} cannot be read`, { cause: error })
  }
}
