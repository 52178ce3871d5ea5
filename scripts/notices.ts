// What the published program contains of others, with the words under which they gave it: dist/THIRD-PARTY.txt.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

interface Package {
  name: string
  version: string
  license: string
  text: string
}

/** The folder of the package that a file of node_modules belongs to; undefined for files of ours. */
function folderOf(file: string): string | undefined {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0]
}

function packageAt(folder: string): Package {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Package
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one))
  if (!license && !file) throw new Error(`${folder} says nowhere under which licence it is: it cannot be published`)
  return { name, version, license, text: file ? readFileSync(join(folder, file), "utf8").trim() : "" }
}

/** Writes the notices for these modules. Throws when a package names no licence. */
export function writeNotices(modules: Iterable<string>, to: string): void {
  const folders = new Set([...modules].flatMap((file) => folderOf(file) ?? []))
  const packages = [...folders].filter((folder) => existsSync(join(folder, "package.json"))).map(packageAt)
  packages.sort((a, b) => (a.name < b.name ? -1 : 1))
  const parts = packages.map(
    ({ name, version, license, text }) => `${name} ${version}, ${license}\n${"-".repeat(72)}\n${text || license}\n`,
  )
  writeFileSync(
    join(dirname(to), "THIRD-PARTY.txt"),
    `Pincer contains parts of these packages.\n\n${parts.join("\n\n")}`,
  )
}
