// Which Pincer this is: the version in package.json, two folders up from src/gateway or dist/app.
import { readFileSync } from "node:fs"
import { PincerError } from "../base/errors.ts"

let version: string | undefined

export function ownVersion(): string {
  if (version === undefined) {
    const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8")
    const found = /"version":\s*"([^"]+)"/.exec(text)?.[1]
    if (!found) throw new PincerError("INTERNAL_ERROR", "package.json has no version")
    version = found
  }
  return version
}
