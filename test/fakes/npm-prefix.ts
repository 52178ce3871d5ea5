// A folder as `npm install --global` leaves it, with a pretended npm of its own and a pretended Pincer; nothing of this machine's npm is touched.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

export type NpmDoes = "ok" | "fail" | "hang" | "wrong" | "half" | "sick"

export interface NpmPrefix {
  prefix: string
  root: string
  program: string
  /** What npm does from now on. */
  does(what: NpmDoes): void
  /** The calls of npm so far. */
  calls(): { args: string[]; keys: string[] }[]
  remove(): void
}

export function makeNpmPrefix(version = "1.0.0"): NpmPrefix {
  const prefix = realpathSync(mkdtempSync(join(tmpdir(), "pincer-prefix-")))
  const root = join(prefix, "lib", "node_modules", "pincer")
  mkdirSync(join(root, "bin"), { recursive: true })
  mkdirSync(join(prefix, "bin"))
  copyFileSync(join(import.meta.dirname, "npm.mjs"), join(prefix, "bin", "npm"))
  writeFileSync(join(root, "package.json"), JSON.stringify({ name: "pincer", version }))
  const program = join(root, "bin", "pincer.js")
  writeFileSync(program, `process.stdout.write("${version}\\n")\n`)
  const does = (what: NpmDoes) => writeFileSync(join(prefix, "npm-does"), what)
  does("ok")
  writeFileSync(join(prefix, "npm.log"), "")
  return {
    prefix,
    root,
    program,
    does,
    calls: () =>
      readFileSync(join(prefix, "npm.log"), "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as { args: string[]; keys: string[] }),
    remove: () => rmSync(prefix, { recursive: true, force: true }),
  }
}

/** A package registry that knows one newest version. */
export async function startRegistry(latest: string): Promise<{ url: string; close(): void }> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ version: latest }))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
