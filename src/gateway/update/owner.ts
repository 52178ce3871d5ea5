// Who put this program where it is: only what npm installed for the whole machine is replaced by Pincer itself; for any other way the
// command to type is named. Looks at paths only, so that nothing is started to find out.
import { constants } from "node:fs"
import { access, readFile, realpath } from "node:fs/promises"
import { basename, dirname, join, sep } from "node:path"
import { PincerError } from "../../base/errors.ts"
import { PACKAGE } from "../update-check.ts"

export type OwnerKind = "npm" | "pnpm" | "yarn" | "bun" | "npx" | "project" | "git" | "unknown"

export interface ProgramOwner {
  kind: OwnerKind
  /** The folder of the package, symlinks resolved. */
  root: string
  /** npm only: what `npm prefix --global` says where it was installed. */
  prefix?: string
}

/** `program`: bin/pincer.js as it runs. */
export async function ownerOf(program: string): Promise<ProgramOwner> {
  const root = dirname(dirname(await realpath(program)))
  const steps = root.split(sep)
  const modules = dirname(root)
  if (basename(modules) !== "node_modules") {
    const isCheckout = (await exists(join(root, ".git"))) || (await exists(join(root, "src", "cli", "main.ts")))
    return { kind: isCheckout ? "git" : "unknown", root }
  }
  if (steps.includes("_npx")) return { kind: "npx", root }
  if (steps.includes(".pnpm") || steps.includes("pnpm")) return { kind: "pnpm", root }
  if (steps.includes(".bun")) return { kind: "bun", root }
  if (steps.includes("yarn") || steps.includes(".yarn")) return { kind: "yarn", root }
  const holder = dirname(modules)
  if (await exists(join(holder, "package.json"))) return { kind: "project", root }
  return { kind: "npm", root, prefix: basename(holder) === "lib" ? dirname(holder) : holder }
}

/** What to type where Pincer does not update itself. */
export function commandFor({ kind, root }: ProgramOwner, version: string): string {
  switch (kind) {
    case "npm":
      return `npm install --global ${PACKAGE}@${version}`
    case "pnpm":
      return `pnpm add --global ${PACKAGE}@${version}`
    case "yarn":
      return `yarn global add ${PACKAGE}@${version}`
    case "bun":
      return `bun add --global ${PACKAGE}@${version}`
    case "npx":
      return `npx ${PACKAGE}@${version}`
    case "project":
      return `cd ${dirname(dirname(root))} && npm install ${PACKAGE}@${version}`
    case "git":
      return `cd ${root} && git pull && npm ci`
    case "unknown":
      return `npm install --global ${PACKAGE}@${version}`
  }
}

const WHERE: Record<Exclude<OwnerKind, "npm">, string> = {
  git: "runs from a checkout",
  pnpm: "was installed with pnpm",
  yarn: "was installed with yarn",
  bun: "was installed with bun",
  npx: "was fetched by npx for this run",
  project: "is part of a project",
  unknown: "was not installed with a package manager that is known",
}

/** Throws CONFLICT or PERMISSION_DENIED, each with the command to type, unless this program may be replaced by this process. */
export async function requireOwned(owner: ProgramOwner, version: string): Promise<{ root: string; prefix: string }> {
  const { kind, prefix, root } = owner
  const command = commandFor(owner, version)
  if (kind !== "npm" || prefix === undefined) {
    const why = kind === "npm" ? "has no prefix" : WHERE[kind]
    throw new PincerError(
      "CONFLICT",
      `This Pincer ${why} (${root}). Update it with: ${command} && pincer gateway restart`,
      {
        details: { code: "NOT_SELF_UPDATABLE", kind, root, command },
      },
    )
  }
  try {
    await access(dirname(root), constants.W_OK)
  } catch (cause) {
    throw new PincerError(
      "PERMISSION_DENIED",
      `${dirname(root)} cannot be written by this process. Update with: sudo ${command} && pincer gateway restart`,
      { cause, details: { code: "NOT_WRITABLE", kind, root, command: `sudo ${command}` } },
    )
  }
  return { root, prefix }
}

/** The npm of this prefix, else the one beside Node, else the first in PATH. Throws NOT_FOUND. */
export async function npmOf(prefix: string, { node, path }: { node: string; path: string }): Promise<string> {
  const places = [join(prefix, "bin"), dirname(node), ...path.split(":")].filter((one) => one.startsWith("/"))
  for (const place of places) {
    const file = join(place, "npm")
    if (await executable(file)) return file
  }
  throw new PincerError(
    "NOT_FOUND",
    `npm is not in ${[...new Set(places)].join(", ")}: install Node with npm, or put it into PATH`,
  )
}

/** The version that a package folder says it holds; undefined when it cannot be read. */
export async function versionIn(root: string): Promise<string | undefined> {
  const text = await readFile(join(root, "package.json"), "utf8").catch(() => "")
  return /"version":\s*"([^"]+)"/.exec(text)?.[1]
}

const exists = (file: string) => access(file).then(yes, no)
const executable = (file: string) => access(file, constants.X_OK).then(yes, no)
const yes = () => true
const no = () => false
