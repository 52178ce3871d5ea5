// The short way to `pincer gateway call`: from the arguments to the answer without the command tree, which takes longer to build than all
// the rest. What it does not understand goes to the tree, which knows all flags and says what is wrong.
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import type { Cli } from "./cli.ts"
import { callMethod } from "./gateway-call.ts"
import { report } from "./report.ts"
import { Screen } from "./screen.ts"

const text = { type: "string" } as const
const flag = { type: "boolean" } as const

const OPTIONS = {
  url: text,
  password: text,
  timeout: text,
  params: text,
  "expect-final": flag,
  stream: flag,
  json: flag,
  server: { ...text, short: "s" },
  token: { ...text, short: "t" },
  "token-file": text,
  "ca-file": text,
  home: text,
  profile: text,
  config: text,
  verbose: flag,
} as const

/** The words after `gateway call`; undefined when the tree must see them. */
export function readCallWords(words: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true })
    const [method] = positionals
    return method === undefined || positionals.length > 1 ? undefined : { method, values }
  } catch {
    // Help, a mistake, or a flag of the tree's own: it answers each of them.
    return undefined
  }
}

/** Runs it and ends the process. */
export async function runCallMain({ method, values }: NonNullable<ReturnType<typeof readCallWords>>): Promise<never> {
  const { env } = process
  const out = new Screen({ stream: process.stdout, env })
  const err = new Screen({ stream: process.stderr, env })
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1))
  const { url, password, timeout, params, stream, json, "expect-final": expectFinal, ...rest } = values
  const { "token-file": tokenFile, "ca-file": caFile, ...plain } = rest
  const verbose = plain.verbose === true || Boolean(env["PINCER_VERBOSE"]?.trim() || env["PINCER_DEBUG"]?.trim())
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8")
  const cli: Cli = {
    env,
    flags: { ...plain, ...(tokenFile === undefined ? {} : { tokenFile }), ...(caFile === undefined ? {} : { caFile }) },
    out,
    err,
    version: /"version":\s*"([^"]+)"/.exec(manifest)?.[1] ?? "",
    cwd: process.cwd(),
    interactive: false,
    verbose,
  }
  let code = 0
  try {
    await callMethod(cli, method, { url, password, timeout, params, stream, json, expectFinal })
  } catch (error) {
    code = report(error, { out, err }, { verbose, json: json === true })
  }
  await Promise.all(
    [process.stdout, process.stderr].map((one) => new Promise<void>((resolve) => one.write("", () => resolve()))),
  )
  process.exit(code)
}
