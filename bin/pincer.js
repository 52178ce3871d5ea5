#!/bin/sh
":" //; case " $* " in *" gateway run "*) export MALLOC_MMAP_THRESHOLD_=8192 MALLOC_TRIM_THRESHOLD_=1048576 MALLOC_TOP_PAD_=131072;; esac; exec node "$0" "$@"
// Starts Pincer: dist/ when installed, src/ in a checkout. On a Node too old for it, uses the checkout's own Node or says what to do.
// To a shell the line above is the whole program: it starts Node with what a gateway needs in its environment (below). To Node it is a
// string and a remark. Plain JavaScript that old versions of Node can parse. Nothing is imported before the process may have been
// replaced: it would be paid twice.

/**
 * A gateway runs for months. V8's compilers work in pieces of 8 KiB that malloc keeps for good unless each is given back by itself; glibc
 * reads how before a process starts and never after (docs/performance.md). The second line of this file says the same for the shell.
 */
const MALLOC = { MALLOC_MMAP_THRESHOLD_: "8192", MALLOC_TRIM_THRESHOLD_: "1048576", MALLOC_TOP_PAD_: "131072" }

const major = Number(process.versions.node.split(".")[0])
const verb = process.argv.indexOf("gateway", 2)
const said = process.argv[verb + 1]
const isDaemon = process.platform === "linux" && (said === "run" ? verb > 0 : verb === 2 && said === undefined)
const env = isDaemon ? { ...MALLOC, ...process.env } : process.env
// The same process with the settings: its id, its files and its parent stay.
if (major >= 24 && isDaemon && process.env.MALLOC_MMAP_THRESHOLD_ === undefined && process.execve !== undefined)
  process.execve(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], env)

// Asked for so, Node does not read every property of them as it does for an import; the oldest versions know only that.
const builtin = async (name) => process.getBuiltinModule?.(name) ?? (await import(name))
const { existsSync } = await builtin("node:fs")
const { dirname, join } = await builtin("node:path")
const { fileURLToPath } = await builtin("node:url")
const root = dirname(dirname(fileURLToPath(import.meta.url)))

if (major < 24) {
  const { spawn } = await builtin("node:child_process")
  const own = join(root, "node_modules", "node", "bin", "node")
  if (!existsSync(own)) {
    process.stderr.write(
      `pincer needs Node 24 or newer, this is ${process.version}: install it from https://nodejs.org, or run "npm ci" in a checkout\n`,
    )
    process.exit(1)
  }
  const child = spawn(own, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit", env })
  // A terminal sends Ctrl-C to both, and what it means is for the child to say; the others reach only this process.
  process.on("SIGINT", () => undefined)
  for (const name of ["SIGTERM", "SIGHUP"]) process.on(name, () => child.kill(name))
  const code = await new Promise((resolve) => child.on("exit", (status, signal) => resolve(signal ? 1 : status)))
  process.exit(code)
}
// Old versions have no such export; asked for by name it would fail before the first line runs.
const modules = await builtin("node:module")
modules.enableCompileCache?.()
const source = join(root, "src", "cli", "main.ts")
const built = join(root, "dist", "app", "main.js")
await import(existsSync(source) && !process.env.PINCER_DIST ? source : built)
