// What an approval is bound to: the call, the folder, everything it will touch, the programs that it would start with their
// arguments, environment and scripts, and where it would run. When any of it changes, the approval is for something else (A26).
import { createHash } from "node:crypto"
import { canonicalJson } from "../base/json.ts"
import type { CommandFacts } from "../policy/command.ts"
import type { Placement } from "../protocol/decision.ts"
import type { Touch } from "../tools/tool.ts"

export interface AskedCall {
  /** Canonical name. */
  tool: string
  args: Readonly<Record<string, unknown>>
  /** Absolute, symlinks resolved. */
  cwd: string
  touch: Touch
  /** For exec: the programs as policy saw them, with the hashes of their scripts. */
  command?: CommandFacts
  placement?: Placement
  /** The environment that its programs would get. */
  env?: Readonly<Record<string, string>>
  /** What the tool said of itself (Tool.fingerprint): a tool that changed is another one. */
  says?: string
}

/** Hex sha256. */
export function fingerprintOf({ tool, args, cwd, touch, command, placement, env, says }: AskedCall): string {
  const bound = {
    tool,
    args,
    cwd,
    touch,
    command: command ?? null,
    placement: placement ?? null,
    env: env ?? null,
    ...(says === undefined ? {} : { says }),
  }
  return createHash("sha256").update(canonicalJson(bound)).digest("hex")
}

/** Hex sha256 of the canonical JSON of a call's arguments, as the audit keeps them. */
export function argsDigest(args: Readonly<Record<string, unknown>>): string {
  return createHash("sha256").update(canonicalJson(args)).digest("hex")
}
