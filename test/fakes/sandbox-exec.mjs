// Stands for macOS's sandbox-exec on Linux: `sandbox-exec -p RULES PROGRAM ARGUMENTS`. Judges the rules as macOS does and has bubblewrap hold
// what they say of files, and that there is no network (a port that is open in the rules is not reachable here).
import { spawnSync } from "node:child_process"
import { existsSync, lstatSync, readdirSync, readlinkSync } from "node:fs"
import { SeatbeltJudge } from "./seatbelt-judge.ts"

const [flag, rules, file, ...args] = process.argv.slice(2)
if (flag !== "-p" || rules === undefined || file === undefined)
  throw new Error("usage: sandbox-exec -p RULES PROGRAM …")
const judge = new SeatbeltJudge(rules)
const mounts = ["--dev", "/dev", "--proc", "/proc"]
// macOS keeps its libraries in places that the rules name; Linux has its own.
for (const name of readdirSync("/").filter((one) => /^(bin|sbin|lib\w*)$/.test(one)))
  if (lstatSync(`/${name}`).isSymbolicLink()) mounts.push("--symlink", readlinkSync(`/${name}`), `/${name}`)
  else mounts.push("--ro-bind", `/${name}`, `/${name}`)
mounts.push("--ro-bind", "/usr", "/usr")
const seen = []
for (const path of judge.paths) {
  if (/^\/(?:$|dev|proc|usr|lib|s?bin)/.test(path) || !existsSync(path)) continue
  const isInside = seen.some((one) => path.startsWith(`${one}/`))
  if (judge.canRead(path)) {
    const inner = lstatSync(path).isDirectory() ? `${path}/new` : path
    mounts.push(judge.canWrite(inner) ? "--bind" : "--ro-bind", path, path)
    seen.push(path)
  } else if (isInside && lstatSync(path).isDirectory()) mounts.push("--tmpfs", path, "--remount-ro", path)
  else if (isInside) mounts.push("--ro-bind", "/dev/null", path)
}
const bwrap = [
  "--unshare-all",
  "--die-with-parent",
  ...mounts,
  "--remount-ro",
  "/",
  "--chdir",
  process.cwd(),
  "--",
  file,
  ...args,
]
const { error, signal, status } = spawnSync("bwrap", bwrap, { stdio: "inherit" })
if (error) process.stderr.write(`${error.message}\n`)
process.exit(status ?? (signal ? 128 : 71))
