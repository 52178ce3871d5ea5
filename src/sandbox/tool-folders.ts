// Programs of the search path that lie outside of the system, as a version manager puts them: a sandbox shows them read-only.
import { existsSync, realpathSync, statSync } from "node:fs"
import { homedir } from "node:os"
import { basename, delimiter, dirname, join } from "node:path"

/** Folders of the search path outside the system's own (a Node of nvm, /opt), with the libraries beside them. Never a home as a whole. */
export function toolFolders(path: string, hidden: readonly string[], workspace: string): string[] {
  const out = new Set<string>()
  for (const folder of path.split(delimiter)) {
    const real = realOf(folder)
    if (real === undefined || /^\/(?:usr|bin|sbin)(?:\/|$)/.test(real)) continue
    const parent = dirname(real)
    const shut = [...hidden, homedir(), workspace]
    const isTools =
      /^(?:s?bin|\.bin)$/.test(basename(real)) && !shut.some((one) => real === one || one.startsWith(`${real}/`))
    if (!isTools || hidden.some((one) => real.startsWith(`${one}/`))) continue
    out.add(real)
    // npm and its like are links from bin into lib.
    const libraries = join(parent, "lib")
    if (basename(parent) !== ".local" && parent !== "/" && existsSync(libraries)) out.add(libraries)
  }
  return [...out]
}

export function realOf(folder: string): string | undefined {
  if (!folder.startsWith("/")) return undefined
  try {
    const real = realpathSync(folder)
    return statSync(real).isDirectory() ? real : undefined
  } catch {
    // A folder of the search path that is not there is nobody's concern.
    return undefined
  }
}
