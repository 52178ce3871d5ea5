// Folders and files that are bound into a sandbox where a program in another sandbox could swap them for a link while this one starts:
// opened first, found to be what their name says, and then bound by what was opened, not by name.
import { closeSync, constants, openSync, readlinkSync } from "node:fs"
import { PincerError } from "../base/errors.ts"

/** Numbers under which the shell that starts bubblewrap can hold an open file: one digit; 8 and 9 are taken. */
const DIGITS = [7, 6, 5, 4, 3]

export class Pinned {
  readonly #byName: boolean
  readonly #open: { fd: number; digit: number }[] = []

  /** `byName`: this bubblewrap cannot bind what is open. */
  constructor(byName: boolean) {
    this.#byName = byName
  }

  /** Arguments that bind the path where it is. Throws CONFLICT when a link leads there. */
  bind(path: string, writable: boolean): string[] {
    const digit = DIGITS[this.#open.length]
    if (this.#byName || digit === undefined) return [writable ? "--bind" : "--ro-bind", path, path]
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    this.#open.push({ fd, digit })
    const real = readlinkSync(`/proc/self/fd/${fd}`)
    if (real !== path)
      throw new PincerError("CONFLICT", `${path} is a link to ${real}, or was moved there: the sandbox was not started`)
    return [writable ? "--bind-fd" : "--ro-bind-fd", String(digit), path]
  }

  /** For the shell: which number is which open file. */
  redirections(): string[] {
    return this.#open.map(({ digit, fd }) => `${digit}</proc/${process.pid}/fd/${fd}`)
  }

  close(): void {
    for (const { fd } of this.#open.splice(0)) closeSync(fd)
  }
}
