// exec: a program of this machine. Where and whether it runs is decided outside; options that are not exec's own are the program's.
import { PincerError } from "../../base/errors.ts"
import type { Command, CommandContext, ProgramRun, StageArgs } from "../command.ts"
import { collected, drained, spread, textArg } from "./items.ts"

const MAX_BYTES = 64 * 1024 * 1024

export const exec: Command = {
  name: "exec",
  description: "Runs a program and yields its lines, or its JSON",
  args: {
    shell: { type: "string", description: "A line for the shell instead of a program with arguments" },
    json: { type: "boolean", description: "The output is one JSON document; a list is spread" },
    stdin: { type: "string", description: "How items are handed to it", enum: ["raw", "json", "jsonl"] },
  },
  positional: { description: "The program and its arguments", many: true },
  open: true,
  examples: [{ text: "exec --json gh pr list --json number,title", description: "Items from a program" }],
  sideEffects: ["local_exec"],
  effect: "once",
  async run({ items, args }, context) {
    const line = lineOf(args)
    const stdin = await inputOf(items, args)
    const ran = await started(line, stdin, context)
    if (ran.spilled)
      throw new PincerError(
        "TOO_LARGE",
        `exec gave ${ran.spilled.bytes} bytes, more than ${MAX_BYTES}: the whole is in ${ran.spilled.file}`,
      )
    if (ran.exitCode !== 0) {
      const said = ran.stderr.trim() || ran.stdout.trim() || shown(line)
      throw new Error(`exec failed (${ran.killedBy ?? ran.exitCode}): ${said.slice(0, 4_000)}`)
    }
    if (!("json" in args))
      return {
        items: ran.stdout
          .split("\n")
          .map((one) => one.replace(/\r$/, ""))
          .filter((one) => one !== ""),
      }
    if (ran.stdout.trim() === "") return { items: [null] }
    try {
      return { items: spread(JSON.parse(ran.stdout)) }
    } catch (error) {
      throw new PincerError(
        "INVALID_PARAMS",
        `exec --json: the output is no JSON: ${error instanceof Error ? error.message : ""}`,
        { cause: error },
      )
    }
  },
}

function lineOf(args: StageArgs): ProgramRun["line"] {
  const shell = args["shell"]
  if (typeof shell === "string" && shell.trim() !== "") return { shell }
  const [first, ...rest] = args._
  if (shell !== undefined || first === undefined || first === "")
    throw new PincerError("INVALID_PARAMS", "exec needs a program, or --shell with a line")
  return rest.length === 0 && /\s/.test(first) ? { shell: first } : { argv: args._ }
}

async function inputOf(items: AsyncIterable<unknown>, args: StageArgs): Promise<string | undefined> {
  const how = textArg(args, "stdin")
  if (how === undefined) {
    await drained(items)
    return undefined
  }
  if (!["raw", "json", "jsonl"].includes(how))
    throw new PincerError("INVALID_PARAMS", `exec --stdin must be raw, json or jsonl, not "${how}"`)
  const all = await collected(items)
  if (how === "json") return JSON.stringify(all)
  if (how === "jsonl") return all.map((item) => `${JSON.stringify(item)}\n`).join("")
  return all.map((item) => (typeof item === "string" ? item : JSON.stringify(item))).join("\n")
}

async function started(line: ProgramRun["line"], stdin: string | undefined, context: CommandContext) {
  const { cwd, env } = context
  try {
    return await context.run({ line, cwd, env, maxBytes: MAX_BYTES, ...(stdin === undefined ? {} : { stdin }) })
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT")
      throw new PincerError("NOT_FOUND", `exec: command not found: ${shown(line)}`, { cause: error })
    throw error
  }
}

function shown(line: ProgramRun["line"]): string {
  return "shell" in line ? line.shell : line.argv.join(" ")
}
