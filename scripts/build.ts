// Builds dist/ for publishing. Node refuses to strip types under node_modules, and loading some 350 small modules costs more than
// all the rest of a start: so the sources and the packages that every start needs become a few files, cut where imports are lazy.
import { rmSync } from "node:fs"
import { isBuiltin } from "node:module"
import { join } from "node:path"
import { type Plugin, rolldown } from "rolldown"

const root = join(import.meta.dirname, "..")
const out = join(root, "dist", "app")
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

/** Both in one folder; a file that is bound into sandboxes alone must be one file, with nothing shared. */
const parts: { input: Record<string, string>; plugins: Plugin[] }[] = [
  {
    input: {
      main: join(root, "src/cli/main.ts"),
      // What "pincer/workflow" is.
      workflow: join(root, "src/gateway/workflows/library.ts"),
      "thread-entry": join(root, "src/tools/thread-entry.ts"),
      "backup-entry": join(root, "src/backup/thread-entry.ts"),
    },
    plugins: [plainBuiltins],
  },
  { input: { forwarder: join(root, "src/sandbox/forwarder.ts") }, plugins: [] },
]

rmSync(join(root, "dist"), { recursive: true, force: true })
for (const { input, plugins } of parts) {
  const build = await rolldown({
    input,
    platform: "node",
    external,
    plugins,
    treeshake: {
      moduleSideEffects: [{ test: /node_modules[\\/]zod[\\/]/, sideEffects: false }],
      propertyReadSideEffects: false,
    },
  })
  await build.write({
    dir: out,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
    minify: false,
    sourcemap: false,
  })
  await build.close()
}
