// pincer mcp: MCP servers for the agents, and Pincer itself for MCP clients.
import type { Command } from "commander"
import type { Cli } from "../cli.ts"
import type { CommandGroup } from "./group.ts"

const several = (value: string, before: string[] = []) => [...before, value]

export const mcp: CommandGroup = (program, cli) => {
  const group = program
    .command("mcp")
    .summary("MCP servers for the agents; Pincer for MCP clients")
    .description(
      "Servers of the Model Context Protocol bring agents more tools (tools.mcpServers). Pincer is one itself: mcp serve.",
    )
  looks(group, cli)
  changes(group, cli)
  logins(group, cli)
  group
    .command("serve")
    .description(
      "Speaks MCP on standard input and output: conversations of this gateway, and the tools that mcpServe.tools names.",
    )
    .addHelpText("after", '\nExample, in a client\'s settings:\n  { "command": "pincer", "args": ["mcp", "serve"] }')
    .action(async () => {
      const { serveMcp } = await import("../mcp-serve.ts")
      const { stdin, stdout } = process
      await serveMcp(cli(), {
        input: stdin,
        write: (line) =>
          stdout.write(`${line}\n`) ? undefined : new Promise<void>((resolve) => stdout.once("drain", resolve)),
      })
    })
}

function looks(group: Command, cli: () => Cli): void {
  const look = (name: string, words: string) =>
    group.command(name).description(words).option("--json", "print it as JSON")
  look("status", "Shows the servers of the configuration and how each of them is. Starts none.")
    .argument("[server]", "only this one")
    .addHelpText("after", "\nExample:\n  pincer mcp status")
    .action(async (server: string | undefined, flags) => {
      const { showStatus } = await import("../mcp.ts")
      await showStatus(cli(), server, flags)
    })
  look("list-tools", "Lists what the servers offer; those that were never asked are started for that.")
    .alias("tools")
    .argument("[server]", "only of this one")
    .addHelpText("after", "\nExample:\n  pincer mcp list-tools files")
    .action(async (server: string | undefined, flags) => {
      const { listTools } = await import("../mcp.ts")
      await listTools(cli(), server, flags)
    })
  look("test", "Connects a server afresh and says what it offers. Exit code 1 when it cannot be reached.")
    .argument("<server>")
    .addHelpText("after", "\nExample:\n  pincer mcp test files")
    .action(async (server: string, flags) => {
      const { testServer } = await import("../mcp.ts")
      await testServer(cli(), server, flags)
    })
  look("restart", "Ends what runs of a server; the next call starts it anew.")
    .argument("<server>")
    .addHelpText("after", "\nExample:\n  pincer mcp restart files")
    .action(async (server: string, flags) => {
      const { restartServer } = await import("../mcp.ts")
      await restartServer(cli(), server, flags)
    })
  look("resources", "Lists what can be read from the servers.")
    .argument("[server]", "only from this one")
    .addHelpText("after", "\nExample:\n  pincer mcp resources docs")
    .action(async (server: string | undefined, flags) => {
      const { listResources } = await import("../mcp-look.ts")
      await listResources(cli(), server, flags)
    })
  look("read", "Shows one resource of a server.")
    .argument("<server>")
    .argument("<uri>", "as mcp resources lists it")
    .addHelpText("after", "\nExample:\n  pincer mcp read docs docs://readme")
    .action(async (server: string, uri: string, flags) => {
      const { readResource } = await import("../mcp-look.ts")
      await readResource(cli(), server, uri, flags)
    })
  look("prompts", "Lists the prompts of the servers.")
    .argument("[server]", "only of this one")
    .addHelpText("after", "\nExample:\n  pincer mcp prompts")
    .action(async (server: string | undefined, flags) => {
      const { listPrompts } = await import("../mcp-look.ts")
      await listPrompts(cli(), server, flags)
    })
  look("prompt", "Shows a prompt with its blanks filled in, to be read before it is sent.")
    .argument("<server>")
    .argument("<name>")
    .argument("[values...]", "blank=value")
    .addHelpText("after", "\nExample:\n  pincer mcp prompt reviews review file=a.ts | pincer ask -")
    .action(async (server: string, name: string, values: string[], flags) => {
      const { showPrompt } = await import("../mcp-look.ts")
      await showPrompt(cli(), server, name, values, flags)
    })
}

function logins(group: Command, cli: () => Cli): void {
  group
    .command("login")
    .argument("<server>")
    .description(
      "Signs you in at a server that is an address and wants that (OAuth); the gateway keeps and renews what it gets.",
    )
    .option("--no-browser", "the browser is on another machine: its last address is pasted here")
    .option("--timeout <seconds>", "how long to wait for the browser; default: 600")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExamples:\n  pincer mcp login tickets\n  pincer mcp login tickets --no-browser")
    .action(async (server: string, flags) => {
      const { logIn } = await import("../mcp-login.ts")
      await logIn(cli(), server, flags)
    })
  group
    .command("logout")
    .argument("<server>")
    .description("Forgets a sign-in and has its tokens taken back.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer mcp logout tickets")
    .action(async (server: string, flags) => {
      const { logOut } = await import("../mcp-login.ts")
      await logOut(cli(), server, flags)
    })
}

function changes(group: Command, cli: () => Cli): void {
  group
    .command("add")
    .argument("<server>", "its name: letters and digits with - or _ between them")
    .argument("[command...]", "the program and its arguments, after --")
    .description("Tries a server, shows what it offers, and writes it into the configuration.")
    .option("--url <url>", "a server that is an address instead of a program")
    .option("--sse", "the address speaks HTTP with SSE, as servers did before Streamable HTTP")
    .option("--env <NAME=value>", "a variable of the program; again for more", several)
    .option("--env-from <NAME[=VARIABLE]>", "the same, read from a variable of the gateway", several)
    .option("--header <Name: value>", "a header for the address; again for more", several)
    .option("--header-from <Name=VARIABLE>", "the same, read from a variable of the gateway", several)
    .option("--client-id <id>", "of Pincer at the address's sign-in service, where it does not register by itself")
    .option("--client-secret-from <VARIABLE>", "its secret, read from a variable of the gateway")
    .option("--scope <scopes>", "what a sign-in asks for; default: what the server says")
    .option("--callback-port <port>", "where a sign-in waits for the browser, as it was registered there")
    .option("--cwd <folder>", "where the program works; default: where the calling turn does")
    .option("--agent <id>", "only this agent has it; again for more", several)
    .option("--allow-tool <name>", "offer only this tool; * for any text; again for more", several)
    .option("--deny-tool <name>", "do not offer this tool; again for more", several)
    .option("--sandbox <profile>", '"auto", "off" or a sandbox profile')
    .option("--trusted", "what it says does not count as text from outside")
    .option("--no-probe", "write it down without trying it")
    .option("--replace", "also when there is one of this name")
    .option("--json", "print the outcome as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  pincer mcp add files -- npx -y @modelcontextprotocol/server-filesystem ~/notes\n  pincer mcp add github --url https://api.example.com/mcp --header-from Authorization=GITHUB_MCP_TOKEN",
    )
    .action(async (server: string, command: string[], flags) => {
      const { addServer } = await import("../mcp-change.ts")
      await addServer(cli(), server, command, flags)
    })
  group
    .command("remove")
    .argument("<server>")
    .description("Takes a server out of the configuration; what runs of it is ended.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer mcp remove files")
    .action(async (server: string, flags) => {
      const { removeServer } = await import("../mcp-change.ts")
      await removeServer(cli(), server, flags)
    })
  for (const [name, enabled] of [
    ["enable", true],
    ["disable", false],
  ] as const)
    group
      .command(name)
      .argument("<server>")
      .description(enabled ? "Offers a server's tools again." : "Offers nothing of a server, and keeps its settings.")
      .option("--json", "print the outcome as JSON")
      .addHelpText("after", `\nExample:\n  pincer mcp ${name} files`)
      .action(async (server: string, flags) => {
        const { switchServer } = await import("../mcp-change.ts")
        await switchServer(cli(), server, enabled, flags)
      })
}
