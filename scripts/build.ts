// Builds dist/ for publishing. Node refuses to strip types under node_modules, and loading some 350 small modules costs more than
// all the rest of a start: so the sources and the packages that every start needs become a few files, cut where imports are lazy.
// Argument: another folder than dist/.
import { rmSync } from "node:fs"
import { isBuiltin } from "node:module"
import { join, resolve } from "node:path"
import { type Plugin, rolldown } from "rolldown"
import { writeNotices } from "./notices.ts"

const root = join(import.meta.dirname, "..")
const dist = resolve(process.argv[2] ?? join(root, "dist"))
const out = join(dist, "app")
/** Left to node_modules: data that is loaded late, and packages that find their own files at run time. */
const external = ["@pydantic/genai-prices", "html-to-text"]
const BUILTIN = "\0builtin:"

/**
 * Imports of Node's own modules become plain property reads. As ES modules Node reads every property of theirs once, also those
 * that load much when they are read: `node:http` then brings all of fetch along, some 30 ms of a start.
 */
const plainBuiltins: Plugin = {
  name: "plain-builtins",
  resolveId(id, _importer, { kind }) {
    if (!isBuiltin(id)) return null
    return kind !== "import-statement" ? { id, external: true } : `${BUILTIN}${id.replace(/^node:/, "")}`
  },
  load(id) {
    if (!id.startsWith(BUILTIN)) return null
    const name = `node:${id.slice(BUILTIN.length)}`
    const module = process.getBuiltinModule(name) as object
    const names = Object.getOwnPropertyNames(module)
      .filter((key) => /^[a-zA-Z_$][\w$]*$/.test(key) && key !== "default")
      .map((key) => `const $${key} = module.${key};\nexport { $${key} as ${key} };`)
    const lines = [
      `const module = process.getBuiltinModule(${JSON.stringify(name)});`,
      ...names,
      "export default module;",
    ]
    return { code: lines.join("\n"), moduleSideEffects: false }
  },
}

/**
 * One character beyond ASCII makes V8 hold the text of a whole file in two bytes a character, in memory for as long as the program runs, and
 * read it slowly. In strings and expressions the escape means the same; nothing else may hold such a character.
 */
const asciiOnly: Plugin = {
  name: "ascii-only",
  renderChunk: (code) =>
    code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
}

/** What every module imports: at once, and when it comes to it. */
const imported = new Map<string, { now: readonly string[]; later: readonly string[] }>()
const graph: Plugin = {
  name: "graph",
  moduleParsed: ({ id, importedIds, dynamicallyImportedIds }) => {
    imported.set(id, { now: importedIds, later: dynamicallyImportedIds })
  },
}

/** Everything that is loaded with these files, themselves included. */
function loadedWith(...ids: string[]): Set<string> {
  const found = new Set<string>()
  const go = (id: string): void => {
    if (found.has(id)) return
    found.add(id)
    for (const next of imported.get(id)?.now ?? []) go(next)
  }
  for (const id of ids) go(id)
  return found
}

const src = (file: string) => join(root, "src", file)
const DAEMON = [
  src("cli/gateway-run.ts"),
  src("cli/standalone.ts"),
  src("gateway/config/boot.ts"),
  src("gateway/compose.ts"),
]

/** What commands load that are no gateway. */
function commandFiles(): string[] {
  const own = [...imported].filter(
    ([id]) => id.startsWith(src("cli/")) || id.startsWith(src("gateway/workflows/alone")),
  )
  return own.flatMap(([, { later }]) => later).filter((id) => !DAEMON.includes(id))
}

/**
 * A file costs a quarter of a millisecond at each start, whatever its size; so what is always loaded together lies together. Earlier
 * groups are those that programs load which need no more than them. One without a name lies in as many files as it takes: no command
 * may have to load a gateway.
 */
function grouping(): (id: string) => string | null {
  const tree = loadedWith(src("cli/program.ts"))
  // Every client of this home reads its token.
  const client = loadedWith(
    src("cli/connect.ts"),
    src("cli/status.ts"),
    src("cli/background.ts"),
    src("config/secrets.ts"),
  )
  const config = loadedWith(src("cli/configuration.ts"), src("config/load.ts"))
  const pipeline = loadedWith(
    src("cli/lobster-main.ts"),
    src("gateway/workflows/alone.ts"),
    src("gateway/workflows/alone-look.ts"),
  )
  const acts = loadedWith(src("gateway/workflows/alone-acts.ts"))
  const editor = loadedWith(src("cli/acp-main.ts"), src("cli/acp.ts"), src("acp/bridge/bridge.ts"))
  const quick = pipeline.union(acts).union(editor)
  const commands = loadedWith(...commandFiles(), src("gateway/workflows/library.ts"))
  const daemon = loadedWith(...DAEMON)
  // Node's own modules stay by themselves: whoever needs a neighbour of one does not load it.
  const ours = new Set([...daemon].filter((id) => !id.startsWith(BUILTIN)))
  const groups: [name: string, ids: Set<string>][] = [
    // Scripts start pipelines often: they need a little of what the tree of commands and clients need, and none of the rest.
    ["ground", pipeline.intersection(tree.union(client).union(config))],
    // And what their programs need: the policy, the configuration and the sandbox, but no commands.
    // Clients need a part of that, too, and not the rest.
    ["base", acts.intersection(tree.union(client))],
    ["acts", acts.intersection(config)],
    ["tree", tree],
    ["client", client],
    ["config", config],
    // What both need: no command is started so often that the rest of this would matter, but for those above.
    [
      "shared",
      new Set([...commands.intersection(daemon).difference(quick)].filter((id) => !id.includes("node_modules"))),
    ],
    // What a gateway needs as well as those that are started often, in a file for each of these: editors, pipelines, other runs.
    ["words", editor.intersection(pipeline.union(acts)).intersection(ours)],
    ["bridge", editor.intersection(ours)],
    ["lines", pipeline.intersection(ours)],
    ["work", acts.intersection(ours)],
    ["", commands],
    ["daemon", daemon],
  ]
  return (id) => groups.find(([, ids]) => ids.has(id))?.[0] || null
}

let group: ((id: string) => string | null) | undefined
function groupOf(id: string): string | null {
  group ??= grouping()
  return group(id)
}

/** Both in one folder; programs of their own that start often must each be one file, with nothing shared. */
const parts: { input: Record<string, string>; plugins: Plugin[] }[] = [
  {
    input: {
      main: join(root, "src/cli/main.ts"),
      // What "pincer/workflow" is.
      workflow: join(root, "src/gateway/workflows/library.ts"),
      "thread-entry": join(root, "src/tools/thread-entry.ts"),
      "backup-entry": join(root, "src/backup/thread-entry.ts"),
      "local-entry": join(root, "src/local/child/local-entry.ts"),
    },
    plugins: [plainBuiltins, graph, asciiOnly],
  },
  { input: { forwarder: join(root, "src/sandbox/forwarder.ts") }, plugins: [] },
  { input: { "seatbelt-child": join(root, "src/sandbox/seatbelt-child.ts") }, plugins: [] },
]

const contained = new Set<string>()

rmSync(dist, { recursive: true, force: true })
for (const { input, plugins } of parts) {
  const build = await rolldown({
    input,
    platform: "node",
    // Its script form asks for its own parts in a way that no build can follow.
    resolve: { alias: { "jsonc-parser": join(root, "node_modules/jsonc-parser/lib/esm/main.js") } },
    preserveEntrySignatures: "allow-extension",
    external,
    plugins,
    treeshake: {
      moduleSideEffects: [{ test: /node_modules[\\/]zod[\\/]/, sideEffects: false }],
      propertyReadSideEffects: false,
    },
  })
  const { output } = await build.write({
    dir: out,
    format: "esm",
    codeSplitting:
      plugins.length === 0 ? undefined : { includeDependenciesRecursively: false, groups: [{ name: groupOf }] },
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
    minify: false,
    comments: { legal: true, annotation: false, jsdoc: false },
    sourcemap: false,
  })
  for (const chunk of output) if (chunk.type === "chunk") for (const id of Object.keys(chunk.modules)) contained.add(id)
  await build.close()
}
writeNotices(contained, out)
