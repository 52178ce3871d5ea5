#!/usr/bin/env node
// Starts Pincer: dist/ when installed, src/ in a checkout. On a Node too old for it, uses the checkout's own Node or says what to do.
// Plain JavaScript that old versions of Node can parse.
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import * as modules from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const major = Number(process.versions.node.split(".")[0])

if (major < 24) {
  const own = join(root, "node_modules", "node", "bin", "node")
  if (!existsSync(own)) {
    process.stderr.write(
      `pincer needs Node 24 or newer, this is ${process.version}: install it from https://nodejs.org, or run "npm ci" in a checkout\n`,
    )
    process.exit(1)
  }
  const child = spawn(own, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" })
  // A terminal sends Ctrl-C to both, and what it means is for the child to say; the others reach only this process.
  process.on("SIGINT", () => undefined)
  for (const name of ["SIGTERM", "SIGHUP"]) process.on(name, () => child.kill(name))
  const code = await new Promise((resolve) => child.on("exit", (status, signal) => resolve(signal ? 1 : status)))
  process.exit(code)
}
// Old versions have no such export; asked for by name it would fail before the first line runs.
modules.enableCompileCache?.()
const source = join(root, "src", "cli", "main.ts")
const built = join(root, "dist", "app", "main.js")
await import(existsSync(source) && !process.env.PINCER_DIST ? source : built)
