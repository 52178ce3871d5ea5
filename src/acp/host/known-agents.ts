// The table of known agents. A row is here because its command is known, from the agent's own documentation or from the public registry
// of ACP agents; an agent that is not can be had with a command of the owner's own. Names are stable: they are agent ids.
import { PincerError } from "../../base/errors.ts"
import { nearWords } from "../../base/spelling.ts"
import type { AgentPackage, AgentQuirks, KnownAgent } from "./known-agent.ts"

type Row = Omit<KnownAgent, "quirks" | "packages" | "install"> & {
  quirks?: AgentQuirks
  /** The npm package; its bin is the program of the command. */
  npm?: string | readonly string[]
  /** Default: npm install of the first package. */
  install?: string
}

function row({ npm = [], quirks = {}, ...rest }: Row): KnownAgent {
  const names = typeof npm === "string" ? [npm] : npm
  const packages = names.map((name): AgentPackage => ({ name, bin: rest.command[0] }))
  const install = rest.install ?? `npm install -g ${names[0]}`
  return { ...rest, ...(packages.length > 0 ? { packages } : {}), install, quirks }
}

export const knownAgents: readonly KnownAgent[] = [
  row({
    name: "claude",
    title: "Claude Code",
    command: ["claude-agent-acp"],
    npm: "@agentclientprotocol/claude-agent-acp",
    login: [".claude/.credentials.json"],
    // Its session creation reads the whole configuration of Claude Code, and it refuses to work as root unless told that it is contained.
    quirks: { sessionMs: 60_000, rootEnv: { IS_SANDBOX: "1" } },
  }),
  row({
    name: "codex",
    title: "Codex",
    command: ["codex-acp"],
    npm: ["@agentclientprotocol/codex-acp", "@zed-industries/codex-acp"],
    login: [".codex/auth.json"],
    // In its usual mode a reviewing model answers what it wants leave for; in this one we are asked.
    quirks: { env: { NO_BROWSER: "1", INITIAL_AGENT_MODE: "workspace-write" } },
  }),
  row({
    name: "gemini",
    title: "Gemini CLI",
    command: ["gemini", "--acp"],
    npm: "@google/gemini-cli",
    login: [".gemini/oauth_creds.json"],
    quirks: { startMs: 15_000 },
  }),
  row({
    name: "opencode",
    title: "OpenCode",
    command: ["opencode", "acp"],
    npm: "opencode-ai",
    login: [".local/share/opencode/auth.json"],
  }),
  row({
    name: "cursor",
    title: "Cursor",
    command: ["cursor-agent", "acp"],
    install: "curl https://cursor.com/install -fsS | bash",
  }),
  row({ name: "copilot", title: "GitHub Copilot", command: ["copilot", "--acp", "--stdio"], npm: "@github/copilot" }),
  row({
    name: "qwen",
    title: "Qwen Code",
    command: ["qwen", "--acp"],
    npm: "@qwen-code/qwen-code",
    login: [".qwen/oauth_creds.json"],
  }),
  row({ name: "kimi", title: "Kimi CLI", command: ["kimi", "acp"], install: "uv tool install kimi-cli" }),
  row({
    name: "kiro",
    title: "Kiro",
    command: ["kiro-cli-chat", "acp"],
    install: "curl -fsSL https://cli.kiro.dev/install | bash",
  }),
  row({
    name: "droid",
    title: "Factory Droid",
    command: ["droid", "exec", "--output-format", "acp"],
    npm: "droid",
    quirks: { env: { DROID_DISABLE_AUTO_UPDATE: "true", FACTORY_DROID_AUTO_UPDATE_ENABLED: "false" } },
  }),
  row({ name: "iflow", title: "iFlow", command: ["iflow", "--experimental-acp"], npm: "@iflow-ai/iflow-cli" }),
  row({ name: "kilocode", title: "Kilo Code", command: ["kilo", "acp"], npm: "@kilocode/cli" }),
  row({
    name: "qoder",
    title: "Qoder",
    command: ["qodercli", "--acp"],
    npm: "@qoder-ai/qodercli",
    // It puts its things away before it goes; a signal in the midst of that loses them.
    quirks: { closeMs: 750 },
  }),
  row({
    name: "trae",
    title: "Trae",
    command: ["traecli", "acp", "serve"],
    install: "see https://docs.trae.cn/cli for how Trae's command line is installed",
  }),
  row({ name: "pi", title: "Pi", command: ["pi-acp"], npm: "pi-acp" }),
  row({ name: "openclaw", title: "OpenClaw", command: ["openclaw", "acp"], npm: "openclaw" }),
  row({
    name: "goose",
    title: "Goose",
    command: ["goose", "acp"],
    install: "see https://block.github.io/goose for how goose is installed",
  }),
  row({
    name: "fast-agent",
    title: "fast-agent",
    command: ["fast-agent-acp"],
    install: "uv tool install fast-agent-acp",
  }),
  row({ name: "grok-build", title: "Grok Build", command: ["grok", "agent", "stdio"], npm: "@xai-official/grok" }),
  row({
    name: "junie",
    title: "Junie",
    command: ["junie", "--acp=true"],
    install: "see https://junie.jetbrains.com for how Junie's command line is installed",
  }),
  row({
    name: "auggie",
    title: "Auggie",
    command: ["auggie", "--acp"],
    npm: "@augmentcode/auggie",
    quirks: { env: { AUGMENT_DISABLE_AUTO_UPDATE: "1" } },
  }),
  row({ name: "cline", title: "Cline", command: ["cline", "--acp"], npm: "cline" }),
  row({ name: "mux", title: "Mux", command: ["mux", "acp"], npm: "mux" }),
  row({
    name: "vibe",
    title: "Mistral Vibe",
    command: ["vibe-acp"],
    install: "uv tool install mistral-vibe",
  }),
  row({
    name: "devin",
    title: "Devin",
    command: ["devin", "acp"],
    install: "see https://docs.devin.ai/cli for how Devin's command line is installed",
    // It turns away clients that it does not know.
    quirks: { clientName: "windsurf" },
  }),
]

const byName = new Map(knownAgents.map((agent) => [agent.name, agent]))

export function knownAgent(name: string): KnownAgent | undefined {
  return byName.get(name)
}

/** Throws NOT_FOUND naming those that are spelled like it. */
export function requireKnownAgent(name: string): KnownAgent {
  const agent = byName.get(name)
  if (agent) return agent
  const near = nearWords(name, [...byName.keys()])
  throw new PincerError(
    "NOT_FOUND",
    near.length > 0
      ? `There is no known agent "${name}": did you mean ${near.join(" or ")}?`
      : `There is no known agent "${name}": run "pincer agents list --all", or give its command with --command`,
  )
}
