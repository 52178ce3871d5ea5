// The command tree: one file a verb group, one line here. A file only declares; what a command does is imported when it is called.
import type { Command } from "commander"
import type { Cli } from "../cli.ts"
import { ask } from "./ask.ts"
import { chat } from "./chat.ts"
import { completion } from "./completion.ts"
import { config } from "./config.ts"
import { doctor } from "./doctor.ts"
import { gateway } from "./gateway.ts"
import { logs } from "./logs.ts"
import { models } from "./models.ts"
import { session } from "./session.ts"
import { status } from "./status.ts"

/** Adds commands to the program. `cli` is called by an action, with the flags that were given. */
export type CommandGroup = (program: Command, cli: () => Cli) => void

export const groups: readonly CommandGroup[] = [
  ask,
  chat,
  gateway,
  status,
  doctor,
  session,
  models,
  config,
  logs,
  completion,
]
