// The files that a command names, for rules about places: what it may change and what it may read.
import type { CommandFacts } from "../command.ts"

export interface TouchedFiles {
  /** Absolute, symlinks resolved, in the order of the line. The system's programs themselves are not among them. */
  reads: string[]
  writes: string[]
}

/** As far as they are known: a line with anything in `unknown` may touch more. */
export function filesOf({ segments }: CommandFacts): TouchedFiles {
  const writes = new Set<string>()
  const reads = new Set<string>()
  for (const { paths, writes: written, redirections, scripts } of segments) {
    for (const path of written) writes.add(path)
    for (const { target, writes: writing } of redirections) if (target !== null) (writing ? writes : reads).add(target)
    for (const path of [...paths, ...scripts.map((one) => one.path)]) if (!writes.has(path)) reads.add(path)
  }
  for (const device of ["/dev/null", "/dev/zero", "/dev/stdout", "/dev/stderr"]) reads.delete(device)
  return { reads: [...reads], writes: [...writes] }
}
