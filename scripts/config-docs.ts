// Writes docs/configuration-reference.md from the schema and its hints. `npm run docs` writes; a test compares.
import { writeFileSync } from "node:fs"
import { defaultConfig } from "../src/config/check.ts"
import { getPath } from "../src/config/edit.ts"
import { lookUp, uiHints } from "../src/config/schema-view.ts"

export const CONFIG_REFERENCE = "docs/configuration-reference.md"

/** The page as the schema says now. */
export function configReference(): string {
  const sections = new Map<string, string[]>()
  for (const [path, hint] of Object.entries(uiHints())) {
    // Agents say the same as agents.defaults, layers of a policy the same as the policy itself.
    if (/^agents\.entries\.\*\.(?!acp)/.test(path) || /(?:^|\.)policy\..+\./.test(path) || path === "$schema") continue
    const rows = sections.get(hint.group) ?? []
    sections.set(hint.group, rows)
    rows.push(`| \`${path}\` | ${cell(typeAt(path))} | ${cell(defaultAt(path))} | ${cell(hint.help ?? "")} |`)
  }
  const body = [...sections].map(
    ([name, rows]) =>
      `## ${name}\n\n| key | type | default | what for |\n| --- | --- | --- | --- |\n${rows.join("\n")}\n`,
  )
  return `# Every key of the configuration\n\nMade from the schema by \`npm run docs\`. \`*\` stands for a name of yours. How the file is changed and loaded: [Configuration](configuration.md).\n\n${body.join("\n")}`
}

function typeAt(path: string): string {
  const parent = path.split(".").slice(0, -1).join(".")
  const { schema } = lookUp(path)
  if (Array.isArray(schema["enum"])) return schema["enum"].map((value) => JSON.stringify(value)).join(", ")
  return lookUp(parent).children.find((child) => child.path === path)?.type ?? "any"
}

function defaultAt(path: string): string {
  if (path.includes("*")) return ""
  const value = getPath(defaultConfig(), path)
  return value === undefined || (typeof value === "object" && value !== null && !Array.isArray(value))
    ? ""
    : JSON.stringify(value)
}

function cell(text: string): string {
  return text.replaceAll("|", "or").replaceAll("\n", " ")
}

if (import.meta.main) writeFileSync(new URL(`../${CONFIG_REFERENCE}`, import.meta.url), configReference())
