// Builds dist/ for publishing: a plain compiler emit, no bundling. Node refuses to strip types under node_modules.
import { spawnSync } from "node:child_process"
import { rmSync } from "node:fs"

rmSync("dist", { recursive: true, force: true })
const run = spawnSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit", shell: process.platform === "win32" })
process.exit(run.status ?? 1)
