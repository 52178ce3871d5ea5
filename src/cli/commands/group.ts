// The contract of this folder: what a file here exports.
import type { Command } from "commander"
import type { Cli } from "../cli.ts"

/** Adds commands to the program. `cli` is called by an action, with the flags that were given. */
export type CommandGroup = (program: Command, cli: () => Cli) => void
