#!/usr/bin/env node
// A npm that puts a pretended Pincer into a prefix, as the file npm-does beside its bin/ says: "ok", "fail", "hang", "wrong" (the program says
// another version), "half" (the program is gone and npm fails), "sick" (it breaks for every version but the first). Writes down its calls.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

const args = process.argv.slice(2)
const prefix = args[args.indexOf("--prefix") + 1]
const version = args.at(-1).split("@").at(-1)
const does = readFileSync(join(prefix, "npm-does"), "utf8").trim()
const keys = Object.keys(process.env).filter((name) => /token|key|secret/i.test(name))
appendFileSync(join(prefix, "npm.log"), `${JSON.stringify({ args, keys })}\n`)

const root = join(prefix, "lib", "node_modules", "pincer")
const manifest = join(root, "package.json")
const program = join(root, "bin", "pincer.js")
const say = (words) => `process.stdout.write(${JSON.stringify(`${words}\n`)})\n`

if (does === "hang") setInterval(() => undefined, 1_000)
else if (does === "fail") {
  process.stderr.write("npm error code E404\nnpm error 404 No such version\n")
  process.exit(1)
} else if (does === "half") {
  writeFileSync(join(prefix, "npm-does"), "ok")
  rmSync(program, { force: true })
  process.exit(1)
} else {
  process.stdout.write("added 1 package\n")
  const before = existsSync(manifest) ? JSON.parse(readFileSync(manifest, "utf8")) : { name: "pincer" }
  mkdirSync(dirname(program), { recursive: true })
  writeFileSync(manifest, JSON.stringify({ ...before, version }))
  const isSick = does === "wrong" || (does === "sick" && version !== "1.0.0")
  // A real program that says the version in its package.json stays where it is.
  if (!existsSync(join(root, "dist"))) writeFileSync(program, isSick ? say("0.0.0") : say(version))
}
