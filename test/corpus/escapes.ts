// Attempts to get out of the sandbox that are no question of spelling.
import type { EscapeCase } from "./escape-case.ts"
import { FILE_ESCAPES } from "./escape-files.ts"
import { WORLD_ESCAPES } from "./escape-world.ts"

export const ESCAPES: readonly EscapeCase[] = [...FILE_ESCAPES, ...WORLD_ESCAPES]
