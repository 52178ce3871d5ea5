// The six dimensions of permission as flags and as environment (IM-PERM-01 … 09): what may be written, and what is sent of it. Resolving
// them is the gateway's; here only words are checked, so that a typing mistake is told before anything starts.
import { type Command, Option } from "commander"
import { PincerError } from "../base/errors.ts"
import { mistakes } from "../base/spelling.ts"
import { type Env, envValue } from "../config/paths.ts"
import { PERMISSION_MODES, type PermissionMode, type Permissions, PRESETS, TOOL_NAMES } from "../protocol/permission.ts"

/** As commander hands them to an action. */
export interface PermissionFlags {
  /** The mode flags in the order in which they were written. */
  permissionModes?: PermissionMode[]
  permissionPreset?: string
  allowedTools?: string
  deniedTools?: string
  authPolicy?: string
  nonInteractivePermissions?: string
  /** The other spelling. */
  nonInteractivePerms?: string
}

const POLICIES = { auth: ["skip", "fail"], nonInteractive: ["deny", "fail"] } as const

/** "*" among the allowed tools is the empty list, which means all; among the denied ones it is the pattern for every tool. */
const ALL: readonly string[] = []
const EVERY: readonly string[] = ["*"]

const MODE_WORDS: Readonly<Record<PermissionMode, string>> = {
  "approve-all": "what would be asked is allowed",
  "approve-reads": "reading the workspace is allowed, what would be asked is asked",
  "deny-all": "what would be asked is refused",
}

export function addPermissionFlags(command: Command): Command {
  for (const mode of PERMISSION_MODES) {
    command.addOption(new Option(`--${mode}`, MODE_WORDS[mode]))
    // Which came last is not in commander's values.
    command.on(`option:${mode}`, () => {
      const before = (command.getOptionValue("permissionModes") as PermissionMode[] | undefined) ?? []
      command.setOptionValueWithSource("permissionModes", [...before, mode], "cli")
    })
  }
  return command
    .option("--permission-preset <name>", `${PRESETS.join(", ")}: a mode and the tools to go with it`)
    .option("--allowed-tools <names>", 'only these tools, with commas: Read,Grep; "" for all')
    .option("--denied-tools <names>", "without these tools; wins over --allowed-tools")
    .option("--auth-policy <how>", "when an agent wants a login: skip it, or fail")
    .option("--non-interactive-permissions <how>", "with nobody to ask: deny the call, or fail the turn")
    .addOption(new Option("--non-interactive-perms <how>", "the same").hideHelp())
}

/** What the flags and PINCER_* variables say, flags first; undefined when they say nothing. `notice`: told when a flag is overridden. */
export function permissionsOf(
  flags: PermissionFlags,
  env: Env,
  notice: (line: string) => void,
): Permissions | undefined {
  const written = fromFlags(flags, notice)
  const around = fromEnvironment(env)
  // A preset is a start of its own: what stands further out about mode and tools does not change it.
  if (written.preset !== undefined) {
    delete around.mode
    delete around.allowedTools
  }
  const permissions: Permissions = { ...around, ...written }
  return Object.keys(permissions).length === 0 ? undefined : permissions
}

/** What to try when a turn ended for want of permission (IM-PERM-12); undefined when everything was approved already. */
export function permissionHint(permissions: Permissions | undefined): string | undefined {
  const mode = permissions?.mode ?? (permissions?.preset === "full-auto" ? "approve-all" : undefined)
  if (mode === "approve-all") return undefined
  return "Permission was missing. To let it all through next time: --approve-all, or --permission-preset full-auto"
}

function fromFlags(flags: PermissionFlags, notice: (line: string) => void): Permissions {
  const modes = flags.permissionModes ?? []
  const mode = modes.at(-1)
  const overridden = [...new Set(modes.slice(0, -1))].filter((one) => one !== mode)
  if (overridden.length > 0)
    notice(`--${mode} overrides ${overridden.map((one) => `--${one}`).join(" and ")}: the last one counts`)
  const interactive =
    flags.nonInteractivePermissions === undefined
      ? ["--non-interactive-perms", flags.nonInteractivePerms]
      : ["--non-interactive-permissions", flags.nonInteractivePermissions]
  return present({
    mode,
    preset: word("--permission-preset", flags.permissionPreset, PRESETS),
    allowedTools: toolNames("--allowed-tools", flags.allowedTools, ALL),
    deniedTools: toolNames("--denied-tools", flags.deniedTools, EVERY),
    authPolicy: word("--auth-policy", flags.authPolicy, POLICIES.auth),
    nonInteractive: word(interactive[0]!, interactive[1], POLICIES.nonInteractive),
  })
}

/** A variable that is set to nothing says nothing: "*" is all tools there. */
function fromEnvironment(env: Env): Permissions {
  const value = (name: string) => envValue(env, name)
  return present({
    mode: word("PINCER_PERMISSION_MODE", value("PINCER_PERMISSION_MODE"), PERMISSION_MODES),
    preset: word("PINCER_PERMISSION_PRESET", value("PINCER_PERMISSION_PRESET"), PRESETS),
    allowedTools: toolNames("PINCER_ALLOWED_TOOLS", value("PINCER_ALLOWED_TOOLS"), ALL),
    deniedTools: toolNames("PINCER_DENIED_TOOLS", value("PINCER_DENIED_TOOLS"), EVERY),
    authPolicy: word("PINCER_AUTH_POLICY", value("PINCER_AUTH_POLICY"), POLICIES.auth),
    nonInteractive: word(
      "PINCER_NON_INTERACTIVE_PERMISSIONS",
      value("PINCER_NON_INTERACTIVE_PERMISSIONS"),
      POLICIES.nonInteractive,
    ),
  })
}

function present(given: { [K in keyof Permissions]: Permissions[K] | undefined }): Permissions {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function word<const W extends string>(where: string, text: string | undefined, words: readonly W[]): W | undefined {
  if (text === undefined) return undefined
  const found = words.find((known) => known === text.trim())
  if (found !== undefined) return found
  throw new PincerError("INVALID_PARAMS", `${where}: "${text}" is not one of ${words.join(", ")}`)
}

/** Names as they are written in lists, and "mcp:<server>:<tool>"; `all` stands for "*". Empty text is an empty list. */
function toolNames(where: string, text: string | undefined, all: readonly string[]): string[] | undefined {
  if (text === undefined) return undefined
  const names = new Set(text.split(",").map((name) => name.trim()))
  names.delete("")
  if (names.has("*")) return [...all]
  for (const name of names) if (!isTool(name)) throw unknownTool(where, name)
  return [...TOOL_NAMES.filter((name) => names.has(name)), ...[...names].filter((name) => name.startsWith("mcp:"))]
}

function isTool(name: string): boolean {
  return (TOOL_NAMES as readonly string[]).includes(name) || /^mcp:[^:]+:./.test(name)
}

function unknownTool(where: string, name: string): PincerError {
  const near = TOOL_NAMES.find((known) => mistakes(known.toLowerCase(), name.toLowerCase()) <= 1)
  const guess = near === undefined ? "" : `did you mean ${near}? `
  return new PincerError("INVALID_PARAMS", `${where}: unknown tool "${name}": ${guess}Tools: ${TOOL_NAMES.join(", ")}`)
}
