// What each editor must be told to use this program as an ACP agent: pure text, made from one command.
import { join } from "node:path"

export const EDITORS = ["zed", "jetbrains", "neovim", "emacs"] as const
export type EditorTarget = (typeof EDITORS)[number]

export interface AgentEntry {
  /** As the editor shows it. */
  name: string
  command: string
  args: readonly string[]
  env: Readonly<Record<string, string>>
}

export type EditorSetup =
  /** A settings file in JSON with one value to set. */
  | { type: "json"; path: string; keys: readonly [string, string]; value: Record<string, unknown>; next: string }
  /** A configuration that is a program: to be put in by hand. */
  | { type: "text"; path: string; text: string; next: string }

export interface EditorPlaces {
  home: string
  platform: NodeJS.Platform
  /** XDG_CONFIG_HOME. */
  configHome?: string
  /** APPDATA on Windows. */
  appData?: string
}

export function editorSetup(editor: EditorTarget, entry: AgentEntry, places: EditorPlaces): EditorSetup {
  const { args, command, env, name } = entry
  const { appData, home, platform } = places
  const config = places.configHome ?? join(home, ".config")
  switch (editor) {
    case "zed":
      return {
        type: "json",
        path:
          platform === "win32" && appData
            ? join(appData, "Zed", "settings.json")
            : join(config, "zed", "settings.json"),
        keys: ["agent_servers", name],
        value: { type: "custom", command, args: [...args], env: { ...env } },
        next: `In Zed, open the agent panel and start a thread with ${name}.`,
      }
    case "jetbrains":
      return {
        type: "json",
        path: join(home, ".jetbrains", "acp.json"),
        keys: ["agent_servers", name],
        value: { command, args: [...args], env: { ...env }, use_idea_mcp: true, use_custom_mcp: true },
        next: `In the IDE, open the AI chat and choose ${name} in the list of agents.`,
      }
    case "neovim":
      return {
        type: "text",
        path: join(config, "nvim", "init.lua"),
        text: neovim(entry),
        next: "Put the block of the plug-in that you use into your configuration.",
      }
    case "emacs":
      return {
        type: "text",
        path: join(home, ".emacs.d", "init.el"),
        text: emacs(entry),
        next: `Put it into your configuration, then: M-x agent-shell, and choose ${name}.`,
      }
    default: {
      const never: never = editor
      throw new TypeError(`No editor: ${String(never)}`)
    }
  }
}

/** JSON's way of writing text is also Lua's and Lisp's, as long as it holds no control characters: those are left out. */
function quoted(text: string): string {
  return `"${text.replace(/[\u0000-\u001f\u007f]/g, "").replace(/[\\"]/g, "\\$&")}"`
}

function identifier(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "_")
      .replace(/^_+|_+$/g, "") || "pincer"
  )
}

function neovim({ args, command, env, name }: AgentEntry): string {
  const id = identifier(name)
  const words = [command, ...args].map(quoted).join(", ")
  const variables = Object.entries(env).map(([key, value]) => `[${quoted(key)}] = ${quoted(value)}`)
  const table = variables.length === 0 ? "{}" : `{ ${variables.join(", ")} }`
  return `-- CodeCompanion
require("codecompanion").setup({
  adapters = {
    acp = {
      ${id} = function()
        local helpers = require("codecompanion.adapters.acp.helpers")
        return {
          name = ${quoted(id)},
          formatted_name = ${quoted(name)},
          type = "acp",
          roles = { llm = "assistant", user = "user" },
          opts = { vision = true },
          commands = { default = { ${words} } },
          env = ${table},
          defaults = { mcpServers = {}, timeout = 30000 },
          parameters = {
            protocolVersion = 1,
            clientCapabilities = { fs = { readTextFile = true, writeTextFile = true } },
            clientInfo = { name = "CodeCompanion.nvim", version = "1.0.0" },
          },
          handlers = {
            setup = function() return true end,
            auth = function() return true end,
            form_messages = function(self, messages, capabilities)
              return helpers.form_messages(self, messages, capabilities)
            end,
            on_exit = function() end,
          },
        }
      end,
    },
  },
  interactions = { chat = { adapter = ${quoted(id)} } },
})

-- avante
require("avante").setup({
  provider = ${quoted(id)},
  acp_providers = {
    [${quoted(id)}] = {
      command = ${quoted(command)},
      args = { ${args.map(quoted).join(", ")} },
      env = ${table},
    },
  },
})
`
}

function emacs({ args, command, env, name }: AgentEntry): string {
  const id = identifier(name).replaceAll("_", "-")
  const variables = Object.entries(env).map(([key, value]) => quoted(`${key}=${value}`))
  const environment = variables.length === 0 ? "" : `\n       :environment-variables '(${variables.join(" ")})`
  return `;; agent-shell
(with-eval-after-load 'agent-shell
  (require 'acp)
  (add-to-list
   'agent-shell-agent-configs
   (agent-shell-make-agent-config
    :identifier '${id}
    :mode-line-name ${quoted(name)}
    :buffer-name ${quoted(name)}
    :shell-prompt ${quoted(`${name}> `)}
    :shell-prompt-regexp (regexp-quote ${quoted(`${name}> `)})
    :client-maker
    (lambda (buffer)
      (acp-make-client
       :command ${quoted(command)}
       :command-params '(${args.map(quoted).join(" ")})${environment}
       :context-buffer buffer)))))
`
}
