// Builds dist/ for publishing. Node refuses to strip types under node_modules, and loading some 350 small modules costs more than
// all the rest of a start: so the sources and the packages that every start needs become a few files, cut where imports are lazy.
import { rmSync } from "node:fs"
import { join } from "node:path"
import { rolldown } from "rolldown"

const root = join(import.meta.dirname, "..")
const out = join(root, "dist", "app")
/** Left to node_modules: data that is loaded late, and packages that find their own files at run time. */
const external = [/^node:/, "@pydantic/genai-prices", "pino", "html-to-text"]

rmSync(join(root, "dist"), { recursive: true, force: true })
const build = await rolldown({
  input: {
    main: join(root, "src/cli/main.ts"),
    // What "pincer/workflow" is.
    workflow: join(root, "src/gateway/workflows/library.ts"),
    "thread-entry": join(root, "src/tools/thread-entry.ts"),
    // Bound into sandboxes alone: must stay one file.
    forwarder: join(root, "src/sandbox/forwarder.ts"),
  },
  platform: "node",
  external,
  treeshake: { moduleSideEffects: [{ test: /node_modules[\\/]zod[\\/]/, sideEffects: false }] },
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
