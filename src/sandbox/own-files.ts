// Small files of ours that every sandbox is given: an /etc with nothing of this machine but what programs need to start, and the system
// call filter. Made when first needed in a private folder, made again when somebody cleaned it away.
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { seccompFilter } from "./seccomp.ts"

export interface UserIds {
  uid: number
  gid: number
}

/** Copied when everybody of this machine may read them; links stay links. */
const COPIED = [
  "alternatives",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "ld-musl-x86_64.path",
  "ssl/certs",
  "ssl/cert.pem",
  "ssl/openssl.cnf",
  "ca-certificates",
  "pki/ca-trust/extracted",
  "pki/tls/certs",
  "pki/tls/cert.pem",
  "pki/tls/openssl.cnf",
  "crypto-policies/back-ends",
  "localtime",
  "timezone",
  "mime.types",
  "terminfo",
  "services",
  "protocols",
  "fonts",
  "java-openjdk",
]

export class OwnFiles {
  #folder: string | undefined
  #commands = 0

  /** The folder that stands for /etc. */
  etc(ids: UserIds): string {
    const path = join(this.#room(), `etc-${ids.uid}-${ids.gid}`)
    if (!existsSync(join(path, "nsswitch.conf"))) makeEtc(path, ids)
    return path
  }

  /** The filter for this processor; undefined where there is none. */
  filter(): string | undefined {
    const path = join(this.#room(), "seccomp")
    if (existsSync(path)) return path
    const filter = seccompFilter(process.arch)
    if (!filter) return undefined
    writeFileSync(path, filter, { mode: 0o600 })
    return path
  }

  /** An empty folder to lay over what must not be seen. */
  empty(): string {
    const path = join(this.#room(), "empty")
    if (!existsSync(path)) mkdirSync(path, { mode: 0o555 })
    return path
  }

  /** Arguments in a file that only we can read: a command line can be read by every user of the machine. */
  args(list: readonly string[]): { path: string; remove(): void } {
    const path = join(this.#room(), `args-${++this.#commands}`)
    writeFileSync(path, list.map((one) => `${one}\0`).join(""), { mode: 0o600, flag: "wx" })
    return {
      path,
      remove() {
        if (existsSync(path)) unlinkSync(path)
      },
    }
  }

  close(): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
    this.#folder = undefined
  }

  #room(): string {
    if (this.#folder === undefined || !existsSync(this.#folder))
      this.#folder = mkdtempSync(join(tmpdir(), "pincer-sandbox-"))
    return this.#folder
  }
}

function makeEtc(path: string, { gid, uid }: UserIds): void {
  const put = (name: string, content: string) => {
    writeFileSync(join(path, name), content)
    chmodSync(join(path, name), 0o644)
  }
  makeOpen(path)
  for (const name of COPIED) {
    const from = join("/etc", name)
    if (!lstatSync(from, { throwIfNoEntry: false })) continue
    makeOpen(dirname(join(path, name)))
    cpSync(from, join(path, name), { recursive: true, verbatimSymlinks: true, filter: isPublic })
  }
  put("passwd", `root:x:0:0::/:/bin/sh\nagent:x:${uid}:${gid}::/tmp:/bin/sh\n`)
  put("group", `root:x:0:\nagent:x:${gid}:\n`)
  put("hosts", "127.0.0.1 localhost\n::1 localhost\n")
  put("resolv.conf", "")
  put("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
}

/** Whatever the file mask says. */
function makeOpen(path: string): void {
  if (existsSync(path)) return
  makeOpen(dirname(path))
  mkdirSync(path)
  chmodSync(path, 0o755)
}

function isPublic(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (!found) return false
  if (found.isSymbolicLink()) return true
  const all = found.isDirectory() ? 0o005 : 0o004
  return (found.isDirectory() || found.isFile()) && (statSync(path).mode & all) === all
}
