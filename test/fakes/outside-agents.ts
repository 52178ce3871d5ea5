// Programs of others, put into a temporary folder with npm and without their install scripts, and what makes external agents among them
// talk to the fake model service and to nobody else.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface OutsideAgent {
  /** The agent's id in the configuration. */
  id: string
  /** In the table of known agents. */
  known: string
  spec: string
  /** Where discovery does not find it: its program, below node_modules. */
  program?: readonly string[]
  args?: readonly string[]
  protocols: readonly (1 | 2)[]
  /** Goes on with a session after a restart of the gateway; otherwise it may, or is told what it missed. */
  remembers: boolean
  /** Says nothing of the tokens that it used. */
  untold?: boolean
  /** Writes its settings below the home and says which variables it needs. */
  prepare(home: string, modelUrl: string): Record<string, string>
}

function write(home: string, file: string, text: string): void {
  mkdirSync(join(home, file, ".."), { recursive: true })
  writeFileSync(join(home, file), text)
}

function codexSettings(home: string, url: string): Record<string, string> {
  const provider = `name = "fake"\nbase_url = "${url}/v1"\nwire_api = "responses"\nenv_key = "FAKE_KEY"\n`
  const text = `model = "test-model"\nmodel_provider = "fake"\n\n[model_providers.fake]\n${provider}`
  write(home, "codex/config.toml", text)
  return { CODEX_HOME: join(home, "codex"), FAKE_KEY: "fake" }
}

export const OUTSIDE_AGENTS: readonly OutsideAgent[] = [
  {
    id: "claude",
    known: "claude",
    spec: "@agentclientprotocol/claude-agent-acp@0.100.0",
    protocols: [1, 2],
    remembers: true,
    prepare: (_home, url) => ({ ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: "fake" }),
  },
  {
    id: "codex",
    known: "codex",
    spec: "@agentclientprotocol/codex-acp@2.6.0",
    protocols: [1, 2],
    remembers: true,
    prepare: codexSettings,
  },
  {
    id: "codex",
    known: "codex",
    spec: "@zed-industries/codex-acp@0.16.0",
    protocols: [1],
    remembers: true,
    untold: true,
    prepare: codexSettings,
  },
  {
    id: "gemini",
    known: "gemini",
    spec: "@google/gemini-cli@0.61.0",
    protocols: [1],
    remembers: false,
    prepare(home, url) {
      const security = { auth: { selectedType: "gemini-api-key" }, folderTrust: { enabled: false } }
      // A model of one's own choice: otherwise another model is asked first which one is to answer.
      const settings = { security, model: { name: "gemini-2.5-flash" }, telemetry: { enabled: false } }
      write(home, ".gemini/settings.json", JSON.stringify(settings))
      return { GOOGLE_GEMINI_BASE_URL: url, GEMINI_API_KEY: "fake" }
    },
  },
  {
    id: "opencode",
    known: "opencode",
    spec: "opencode-ai@1.18.33",
    // Its own launcher wants its install script to have run.
    program: [
      `opencode-${process.platform}-${process.arch}/bin/opencode`,
      `opencode-${process.platform}-${process.arch}-baseline/bin/opencode`,
    ],
    args: ["acp"],
    protocols: [1],
    remembers: true,
    prepare(home, url) {
      const models = { "test-model": { name: "Test", tool_call: true, reasoning: true } }
      const options = { baseURL: `${url}/v1`, apiKey: "fake" }
      const fake = { npm: "@ai-sdk/openai-compatible", name: "Fake", options, models }
      const permission = { bash: "ask", edit: "ask" }
      const model = "fake/test-model"
      const settings = {
        model,
        small_model: model,
        provider: { fake },
        permission,
        autoupdate: false,
        share: "disabled",
      }
      write(home, ".config/opencode/opencode.json", JSON.stringify(settings))
      return { OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_AUTOUPDATE: "1" }
    },
  },
]

/** A prefix with the package in it; one that was put there before is used again. Throws with npm's words. */
export function install(spec: string): string {
  const prefix = join(tmpdir(), "pincer-outside", spec.replaceAll(/[@/]/g, "_").replace(/^_/, ""))
  const done = join(prefix, "installed")
  if (existsSync(done)) return prefix
  mkdirSync(prefix, { recursive: true })
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", prefix, spec]
  const run = spawnSync("npm", args, { encoding: "utf8", timeout: 300_000 })
  if (run.status !== 0) throw new Error(`npm install ${spec}: ${run.error?.message ?? run.stderr.slice(-400)}`)
  writeFileSync(done, "")
  return prefix
}
