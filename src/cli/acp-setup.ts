// `pincer acp setup <editor>`: prints what the editor must be told, or writes it after showing the difference. Comments in the file
// stay, and the file before is kept as .bak.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { homedir } from "node:os"
import { delimiter, dirname, isAbsolute, join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { nearWords } from "../base/spelling.ts"
import { jsonc, parseDocument } from "../config/document.ts"
import { envValue, expandPath } from "../config/paths.ts"
import { insertion } from "../config/splice.ts"
import type { Cli } from "./cli.ts"
import { gatewayUrl } from "./connect.ts"
import { type AgentEntry, EDITORS, type EditorSetup, type EditorTarget, editorSetup } from "./editor-entry.ts"
import { inert } from "./inert.ts"

export interface AcpSetupFlags {
  write?: boolean
  yes?: boolean
  name?: string
  session?: string
  url?: string
  json?: boolean
}

export async function setUpEditor(cli: Cli, editor: string, flags: AcpSetupFlags): Promise<void> {
  const setup = editorSetup(editorNamed(editor), entryFor(cli, flags), {
    home: envValue(cli.env, "HOME") ?? homedir(),
    platform: process.platform,
    configHome: envValue(cli.env, "XDG_CONFIG_HOME"),
    appData: envValue(cli.env, "APPDATA"),
  })
  if (flags.write) {
    if (setup.type === "text")
      throw new PincerError(
        "INVALID_PARAMS",
        `The configuration of ${editor} is a program, which is not changed from here: leave --write out and put the text into ${setup.path}`,
      )
    await write(cli, setup, flags)
    return
  }
  if (flags.json) {
    cli.out.json(setup)
    return
  }
  cli.err.line(cli.err.paint(`For ${inert(setup.path)}:`, "dim"))
  cli.out.write(setup.type === "text" ? setup.text : `${JSON.stringify(nested(setup), null, 2)}\n`)
  cli.err.line(cli.err.paint(setup.next, "dim"))
}

function editorNamed(name: string): EditorTarget {
  const found = EDITORS.find((one) => one === name.toLowerCase())
  if (found) return found
  const near = nearWords(name.toLowerCase(), EDITORS)
  throw new PincerError(
    "INVALID_PARAMS",
    near.length > 0
      ? `There is no set-up for "${name}": did you mean ${near[0]}?`
      : `There is no set-up for "${name}": there are ${EDITORS.join(", ")}`,
  )
}

function entryFor(cli: Cli, flags: AcpSetupFlags): AgentEntry {
  const { caFile, config, home, profile, server, token, tokenFile } = cli.flags
  if (token !== undefined)
    throw new PincerError("INVALID_PARAMS", "A token would stand in the editor's settings: pass --token-file instead")
  const url = flags.url ?? server
  const path = (given: string | undefined) => (given === undefined ? undefined : expandPath(given, cli.env, cli.cwd))
  const before: [string, string | undefined][] = [
    ["--home", path(home)],
    ["--profile", profile],
    ["--config", path(config)],
    ["--ca-file", path(caFile)],
  ]
  const after: [string, string | undefined][] = [
    ["--url", url === undefined ? undefined : gatewayUrl(url, "--url").href.replace(/\/$/, "")],
    ["--token-file", path(tokenFile)],
    ["--session", flags.session],
  ]
  const words = (pairs: [string, string | undefined][]) =>
    pairs.flatMap(([name, value]) => (value === undefined ? [] : [name, value]))
  const [command, ...args] = ownCommand(cli)
  const name = flags.name?.trim() || "Pincer"
  return { name, command, args: [...args, ...words(before), "acp", ...words(after)], env: {} }
}

/** This program as an editor can start it, which may know another PATH: with whole paths. */
function ownCommand(cli: Cli): [string, ...string[]] {
  const here = fileURLToPath(new URL("../../bin/pincer.js", import.meta.url))
  for (const folder of (cli.env["PATH"] ?? "").split(delimiter)) {
    const file = join(folder, "pincer")
    if (isAbsolute(folder) && existsSync(file) && realpathSync(file) === realpathSync(here)) return [file]
  }
  return [process.execPath, here]
}

type JsonSetup = Extract<EditorSetup, { type: "json" }>

function nested({ keys: [outer, inner], value }: JsonSetup): Record<string, unknown> {
  return { [outer]: { [inner]: value } }
}

async function write(cli: Cli, setup: JsonSetup, flags: AcpSetupFlags): Promise<void> {
  const path = existsSync(setup.path) ? realpathSync(setup.path) : setup.path
  const before = existsSync(path) ? readFileSync(path, "utf8") : ""
  const after = changed(before, setup)
  if (before === after) {
    if (flags.json) cli.out.json({ path, written: false })
    else cli.out.line(`${inert(path)} says so already.`)
    return
  }
  if (!flags.json) {
    cli.out.line(inert(path))
    for (const line of difference(before, after))
      cli.out.line(cli.out.paint(inert(line), line.startsWith("+") ? "green" : line.startsWith("-") ? "red" : "dim"))
  }
  if (!flags.yes && !(await confirmed(cli))) {
    cli.out.line("Nothing was written.")
    return
  }
  const backup = replace(path, before, after)
  if (flags.json) cli.out.json({ path, written: true, ...(backup === undefined ? {} : { backup }) })
  else cli.out.line(`Written.${backup === undefined ? "" : ` The file before is ${inert(backup)}.`} ${setup.next}`)
}

/** The text with the entry set, comments and order as they were. Throws INVALID_PARAMS for a file that is no JSON object. */
export function changed(before: string, { keys, path, value }: JsonSetup): string {
  if (before.trim() === "") return `${JSON.stringify({ [keys[0]]: { [keys[1]]: value } }, null, 2)}\n`
  const document = parseDocument(before)
  const root = document.value
  if (!isObject(root) || (root[keys[0]] !== undefined && !isObject(root[keys[0]])))
    throw new PincerError(
      "INVALID_PARAMS",
      `${path} is not a JSON object that could hold ${keys[0]}: ${document.issues[0]?.message ?? "put it right first"}`,
    )
  const { applyEdits, findNodeAtLocation, modify, parseTree } = jsonc
  const indent = /^([ \t]+)\S/m.exec(before)?.[1] ?? "  "
  const eol = before.includes("\r\n") ? "\r\n" : "\n"
  const tree = parseTree(before, [], { allowTrailingComma: true })
  const [outer, inner] = keys
  const list = tree && findNodeAtLocation(tree, [outer])
  const parent = list ?? tree
  if (parent && !(list && findNodeAtLocation(list, [inner]))) {
    const edits = list
      ? insertion(before, parent, inner, value, indent, eol)
      : insertion(before, parent, outer, { [inner]: value }, indent, eol)
    if (edits) return applyEdits(before, edits)
  }
  const tabs = indent.startsWith("\t")
  const formattingOptions = { insertSpaces: !tabs, tabSize: tabs ? 1 : indent.length, eol }
  return applyEdits(before, modify(before, [...keys], value, { formattingOptions }))
}

/** Lines that go and lines that come, with two around them. What changes is one piece. */
export function difference(before: string, after: string): string[] {
  const [a, b] = [before, after].map((text) => (text === "" ? [] : text.replace(/\n$/, "").split("\n"))) as [
    string[],
    string[],
  ]
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1
  let tail = 0
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1
  return [
    ...a.slice(Math.max(0, head - 2), head).map((line) => `  ${line}`),
    ...a.slice(head, a.length - tail).map((line) => `- ${line}`),
    ...b.slice(head, b.length - tail).map((line) => `+ ${line}`),
    ...a.slice(a.length - tail, a.length - tail + 2).map((line) => `  ${line}`),
  ]
}

async function confirmed(cli: Cli): Promise<boolean> {
  if (!cli.interactive)
    throw new PincerError("INVALID_PARAMS", "Nobody can be asked here: add --yes to write without a question")
  const reader = createInterface({ input: process.stdin, output: process.stdout })
  try {
    const answer = await new Promise<string>((resolve) => {
      reader.once("close", () => resolve(""))
      reader.question("Write it? [y/N] ", resolve)
    })
    return /^\s*y(es)?\s*$/i.test(answer)
  } finally {
    reader.close()
  }
}

/** Where the file before is kept; undefined when there was none. */
function replace(path: string, before: string, after: string): string | undefined {
  mkdirSync(dirname(path), { recursive: true })
  const old = existsSync(path)
  if (old && readFileSync(path, "utf8") !== before)
    throw new PincerError("CONFLICT", `${path} has changed since it was read: try again`)
  const draft = `${path}.pincer-${process.pid}`
  writeFileSync(draft, after, { flag: "wx", mode: old ? statSync(path).mode & 0o777 : 0o600 })
  if (old) copyFileSync(path, `${path}.bak`)
  renameSync(draft, path)
  return old ? `${path}.bak` : undefined
}
