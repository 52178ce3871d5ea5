// Attempts to get something run, read or written past an allow-list of innocent programs. None may be allowed without asking.
import { PROGRAM_BYPASSES } from "./shell-bypass-programs.ts"
import { SYNTAX_BYPASSES } from "./shell-bypass-syntax.ts"
import type { ShellCase } from "./shell-case.ts"

export const SHELL_BYPASSES: readonly ShellCase[] = [...SYNTAX_BYPASSES, ...PROGRAM_BYPASSES]
