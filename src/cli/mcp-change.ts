// `pincer mcp add`, `remove`, `enable`, `disable`: servers in the configuration. A new one is tried first, by the gateway that will use it.
import { PincerError } from "../base/errors.ts"
import { nameKind } from "../base/redact.ts"
import { getPath } from "../config/edit.ts"
import { loadConfig } from "../config/load.ts"
import { MAX_MCP_SERVER_NAME, MCP_SERVER_NAME, mcpServer } from "../config/mcp.ts"
import { expandPath } from "../config/paths.ts"
import type { Cli } from "./cli.ts"
import { tell, withDoor } from "./configuration.ts"
import { askMcp, showTrial } from "./mcp.ts"

interface JsonWish {
  json?: boolean
}

interface AddFlags extends JsonWish {
  url?: string
  sse?: boolean
  env?: string[]
  envFrom?: string[]
  header?: string[]
  headerFrom?: string[]
  clientId?: string
  clientSecretFrom?: string
  scope?: string
  callbackPort?: string
  cwd?: string
  agent?: string[]
  allowTool?: string[]
  denyTool?: string[]
  sandbox?: string
  trusted?: boolean
  probe: boolean
  replace?: boolean
}

export async function addServer(cli: Cli, name: string, command: readonly string[], flags: AddFlags): Promise<void> {
  if (!MCP_SERVER_NAME.test(name) || name.length > MAX_MCP_SERVER_NAME)
    throw new PincerError(
      "INVALID_PARAMS",
      `"${name}" is no name for a server: use letters and digits with single "-" or "_" between them, at most ${MAX_MCP_SERVER_NAME}`,
    )
  const settings = settingsOf(cli, name, command, flags)
  if (!flags.replace && known(cli, name))
    throw new PincerError("CONFLICT", `There is an MCP server "${name}" already: pass --replace, or take another name`)
  const trial = flags.probe ? await askMcp(cli, "mcp.probe", { server: name, settings }) : undefined
  const login = trial?.["login"] === "needed"
  if (trial && trial["ok"] !== true && !login)
    throw new PincerError(
      "UNAVAILABLE",
      `${String(trial["problem"])}. Nothing was written: --no-probe writes it down without trying`,
      { retryable: false },
    )
  if (trial && !flags.json && !login) showTrial(cli, name, trial)
  await withDoor(cli, async (door) => {
    const outcome = await door.change({ type: "set", key: keyOf(name), value: settings })
    tell(cli, outcome, { added: name, ...(trial ? { trial } : {}) }, `Added ${name} to ${outcome.path}.`, flags)
  })
  if (login && !flags.json) cli.out.line(`It wants you to sign in: pincer mcp login ${name}`)
  for (const one of [...(flags.env ?? []), ...(flags.header ?? [])]) {
    const [variable = ""] = one.split(/[=:]/, 1)
    if (nameKind(variable) !== undefined && !flags.json)
      cli.err.line(`! ${variable} stands in the file as it is: --env-from and --header-from keep secrets out of it`)
  }
}

export async function removeServer(cli: Cli, name: string, flags: JsonWish): Promise<void> {
  requireKnown(cli, name)
  await endLogin(cli, name)
  await withDoor(cli, async (door) => {
    const outcome = await door.change({ type: "unset", key: keyOf(name) })
    tell(cli, outcome, { removed: name }, `Took ${name} out of ${outcome.path}.`, flags)
  })
}

/** A sign-in goes with its server. Where nobody can sign in, or no gateway runs, there is nothing to end. */
async function endLogin(cli: Cli, name: string): Promise<void> {
  try {
    await askMcp(cli, "mcp.logout", { server: name }, "refuse")
  } catch (error) {
    if (!(error instanceof PincerError)) throw error
  }
}

export async function switchServer(cli: Cli, name: string, enabled: boolean, flags: JsonWish): Promise<void> {
  requireKnown(cli, name)
  await withDoor(cli, async (door) => {
    const outcome = await door.change({ type: "set", key: `${keyOf(name)}.enabled`, value: enabled })
    const words = enabled ? `${name} is offered again.` : `Nothing of ${name} is offered any more.`
    tell(cli, outcome, { server: name, enabled }, words, flags)
  })
}

function settingsOf(cli: Cli, name: string, command: readonly string[], flags: AddFlags): Record<string, unknown> {
  const [program, ...args] = command
  if (program === undefined && flags.url === undefined)
    throw new PincerError("INVALID_PARAMS", `Give the program of ${name} after --, or its address with --url`)
  const env = { ...pairs(flags.env, "--env", "="), ...references(flags.envFrom, "--env-from") }
  const headers = { ...pairs(flags.header, "--header", ":"), ...references(flags.headerFrom, "--header-from") }
  const tools = {
    ...(flags.allowTool ? { allow: flags.allowTool } : {}),
    ...(flags.denyTool ? { deny: flags.denyTool } : {}),
  }
  const oauth = {
    ...(flags.clientId === undefined ? {} : { clientId: flags.clientId }),
    ...(flags.clientSecretFrom === undefined ? {} : { clientSecret: { env: flags.clientSecretFrom } }),
    ...(flags.scope === undefined ? {} : { scope: flags.scope }),
    ...(flags.callbackPort === undefined ? {} : { redirectPort: Number(flags.callbackPort) }),
  }
  const settings = {
    ...(program === undefined ? {} : { command: program, ...(args.length > 0 ? { args } : {}) }),
    ...(flags.url === undefined ? {} : { url: flags.url }),
    ...(flags.sse ? { type: "sse" } : {}),
    ...(Object.keys(env).length > 0 ? { env } : {}),
    ...(Object.keys(headers).length > 0 ? { headers } : {}),
    ...(Object.keys(oauth).length > 0 ? { oauth } : {}),
    ...(flags.cwd === undefined ? {} : { cwd: expandPath(flags.cwd, cli.env, cli.cwd) }),
    ...(flags.agent ? { agents: flags.agent } : {}),
    ...(Object.keys(tools).length > 0 ? { tools } : {}),
    ...(flags.sandbox === undefined ? {} : { sandbox: flags.sandbox }),
    ...(flags.trusted ? { trusted: true } : {}),
  }
  const parsed = mcpServer.safeParse(settings)
  if (parsed.success) return settings
  const [issue] = parsed.error.issues
  const place = [keyOf(name), ...(issue?.path ?? [])].join(".")
  throw new PincerError("INVALID_PARAMS", `${place} ${issue?.message ?? "is not valid"}`)
}

function pairs(given: readonly string[] = [], flag: string, sign: "=" | ":"): Record<string, string> {
  return Object.fromEntries(
    given.map((one) => {
      const at = one.indexOf(sign)
      if (at > 0) return [one.slice(0, at).trim(), sign === ":" ? one.slice(at + 1).trim() : one.slice(at + 1)]
      throw new PincerError("INVALID_PARAMS", `${flag}: "${one}" has no "${sign}" between name and value`)
    }),
  )
}

function references(given: readonly string[] = [], flag: string): Record<string, { env: string }> {
  return Object.fromEntries(
    given.map((one) => {
      const [key = "", variable = key, ...more] = one.split("=")
      if (key !== "" && variable !== "" && more.length === 0) return [key, { env: variable }]
      throw new PincerError("INVALID_PARAMS", `${flag}: "${one}" is not like NAME=VARIABLE`)
    }),
  )
}

function keyOf(name: string): string {
  return `tools.mcpServers.${name}`
}

/** Of the configuration on this machine; another gateway's own says for itself. */
function known(cli: Cli, name: string): boolean {
  if (cli.flags.server !== undefined) return false
  const { config } = loadConfig({ env: cli.env, flags: cli.flags })
  return getPath(config, keyOf(name)) !== undefined
}

function requireKnown(cli: Cli, name: string): void {
  if (cli.flags.server !== undefined || known(cli, name)) return
  throw new PincerError("NOT_FOUND", `No MCP server "${name}" is configured: see "pincer mcp status"`)
}
