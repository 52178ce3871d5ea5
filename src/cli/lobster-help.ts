// What `pincer lobster help` says.
import type { LobsterPlace } from "./lobster-place.ts"

interface Described {
  name: string
  description: string
  args: Readonly<Record<string, { description: string }>>
  positional?: { description: string }
  examples: readonly { text: string }[]
}

const OVERVIEW = `pincer lobster: runs what is written for Lobster

  pincer lobster '<pipeline>'
  pincer lobster run [--mode tool|human] [--dry-run] '<pipeline>'
  pincer lobster run [--mode tool|human] [--dry-run] [--args-json '{…}'] [--file] <file>
  pincer lobster resume --token <token>|--id <id> --approve yes|no
  pincer lobster resume --token <token>|--id <id> --response-json '{…}'
  pincer lobster resume --token <token>|--id <id> --cancel
  pincer lobster graph [--file] <file> [--format mermaid|dot|ascii] [--args-json '{…}']
  pincer lobster doctor
  pincer lobster version
  pincer lobster help [command]

In tool mode one JSON envelope is printed. Runs and their gates lie in the folder LOBSTER_STATE_DIR, or in Pincer's home.
Programs run in the sandbox. Where there is none: pincer lobster --unsandboxed …

Commands of pipelines:
`

const GRAPH = `pincer lobster graph [--file] <file> [--format mermaid|dot|ascii] [--args-json '{…}']

Draws a workflow: its steps, and where values go.
`

/** The exit code. */
export function showHelp(place: LobsterPlace, topic: string | undefined, commands: readonly Described[]): number {
  if (topic === undefined) {
    place.out(`${OVERVIEW}  ${commands.map(({ name }) => name).join(" ")}\n`)
    return 0
  }
  if (topic === "graph") {
    place.out(GRAPH)
    return 0
  }
  const command = commands.find(({ name }) => name === topic)
  if (!command) {
    place.err(`There is no command "${topic}": pincer lobster help lists them\n`)
    return 2
  }
  const lines = [`${command.name}: ${command.description}`, ""]
  if (command.positional) lines.push(`  words: ${command.positional.description}`)
  for (const [name, { description }] of Object.entries(command.args)) lines.push(`  --${name}: ${description}`)
  for (const { text } of command.examples) lines.push(`  ${text}`)
  place.out(`${lines.join("\n")}\n`)
  return 0
}
