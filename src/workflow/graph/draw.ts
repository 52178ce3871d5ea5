// A graph as Mermaid, Graphviz, plain text, JSON or a picture.
import { excerpt } from "../../base/text.ts"
import type { RunStepStatus } from "../../protocol/workflow.ts"
import type { Graph, GraphNode } from "./graph.ts"

export const GRAPH_FORMATS = ["mermaid", "dot", "ascii", "json", "svg"] as const
export type GraphFormat = (typeof GRAPH_FORMATS)[number]

const LABEL = 60
/** Fill and border. */
const COLORS: Readonly<Record<RunStepStatus, readonly [string, string]>> = {
  pending: ["#ffffff", "#888888"],
  running: ["#dbeafe", "#2563eb"],
  waiting: ["#fef3c7", "#d97706"],
  completed: ["#dcfce7", "#16a34a"],
  skipped: ["#f3f4f6", "#9ca3af"],
  failed: ["#fee2e2", "#dc2626"],
  canceled: ["#f3f4f6", "#6b7280"],
  uncertain: ["#fae8ff", "#a21caf"],
}

export function draw(graph: Graph, format: GraphFormat): string {
  switch (format) {
    case "mermaid":
      return mermaid(graph)
    case "dot":
      return dot(graph)
    case "ascii":
      return ascii(graph)
    case "json":
      return `${JSON.stringify(graph, null, 2)}\n`
    case "svg":
      return svg(graph)
  }
}

/** Characters that end a label, as entities. */
function entities(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll('"', "&quot;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("|", "&#124;")
    .replace(/\s*\n\s*/g, " ")
}

/** Mermaid takes few characters in names. */
function nameOf(id: string, all: readonly GraphNode[]): string {
  const word = id.replace(/[^A-Za-z0-9_]/g, "_")
  const twins = all.filter((node) => node.id.replace(/[^A-Za-z0-9_]/g, "_") === word)
  const safe = /^(?:end|graph|subgraph|class|style|click)$/i.test(word) || /^\d/.test(word) ? `s_${word}` : word
  return twins.length > 1 ? `${safe}_${all.findIndex((node) => node.id === id)}` : safe
}

function mermaid({ edges, nodes }: Graph): string {
  const name = (id: string) => nameOf(id, nodes)
  const lines = nodes.map((node) => {
    const label = `"${entities(node.id)}\\n${entities(node.text)}"`
    const shape = node.isGate ? `{${label}}` : `[${label}]`
    return `  ${name(node.id)}${shape}${node.status ? `:::${node.status}` : ""}`
  })
  const arrows = edges.map(({ from, label, to }) => `  ${name(from)} -->|${entities(label)}| ${name(to)}`)
  const used = [...new Set(nodes.flatMap((node) => node.status ?? []))]
  const classes = used.map((status) => `  classDef ${status} fill:${COLORS[status][0]},stroke:${COLORS[status][1]}`)
  return `${["flowchart TD", ...lines, "", ...arrows, ...classes].join("\n").trimEnd()}\n`
}

function dot({ edges, nodes }: Graph): string {
  const quoted = (text: string) =>
    `"${text
      .replaceAll("\\", "\\\\")
      .replaceAll('"', '\\"')
      .replace(/\s*\n\s*/g, " ")}"`
  const lines = nodes.map((node) => {
    const colors = node.status
      ? `,style=filled,fillcolor="${COLORS[node.status][0]}",color="${COLORS[node.status][1]}"`
      : ""
    const label = quoted(`${node.id}\u0000${node.text}`).replace("\u0000", "\\n")
    return `  ${quoted(node.id)} [shape=${node.isGate ? "diamond" : "box"},label=${label}${colors}];`
  })
  const arrows = edges.map(({ from, label, to }) => `  ${quoted(from)} -> ${quoted(to)} [label=${quoted(label)}];`)
  return `${["digraph workflow {", "  rankdir=TB;", ...lines, "", ...arrows, "}"].join("\n")}\n`
}

function ascii({ edges, nodes }: Graph): string {
  const line = (node: GraphNode, depth: number): string[] => {
    const status = node.status ? ` ${node.status}` : ""
    const own = `${"  ".repeat(depth)}- ${node.id} [${shownKind(node)}]${status} (${node.text.replace(/\s*\n\s*/g, " ")})`
    return [own, ...(node.children ?? []).flatMap((child) => line(child, depth + 1))]
  }
  const arrows = edges.map(({ from, label, to }) => `- ${from} -> ${to} (${label})`)
  return `${["Workflow Graph", "", "Nodes:", ...nodes.flatMap((node) => line(node, 0)), "", "Edges:", ...arrows].join("\n")}\n`
}

function shownKind({ kind }: GraphNode): string {
  return kind === "shell" ? "run" : kind
}

const WIDTH = 420
const HEIGHT = 48
const GAP = 34
const LANE = 26

/** Boxes below one another; edges that pass others by run on the right, each in a lane of its own. */
function svg({ edges, nodes, title }: Graph): string {
  const y = new Map(nodes.map((node, i) => [node.id, 50 + i * (HEIGHT + GAP)]))
  const beside = edges.filter(
    ({ from, label, to }) => !(label === "next" && y.get(to)! - y.get(from)! === HEIGHT + GAP),
  )
  const straight = edges.filter((edge) => !beside.includes(edge))
  const width = 40 + WIDTH + 40 + beside.length * LANE + 240
  const height = 70 + nodes.length * (HEIGHT + GAP)
  const boxes = nodes.map((node) => {
    const [fill, stroke] = COLORS[node.status ?? "pending"]
    const top = y.get(node.id)!
    const status = node.status ? ` · ${node.status}` : ""
    return `<rect x="40" y="${top}" width="${WIDTH}" height="${HEIGHT}" rx="${node.isGate ? 22 : 6}" fill="${fill}" stroke="${stroke}"/><text x="56" y="${top + 20}" font-weight="600">${entities(node.id)}${status}</text><text x="56" y="${top + 38}" fill="#555">${entities(excerpt(node.text, LABEL))}</text>`
  })
  const downs = straight.map(({ from, to }) => {
    const x = 40 + WIDTH / 2
    return `<path d="M${x} ${y.get(from)! + HEIGHT}V${y.get(to)! - 2}" marker-end="url(#a)"/>`
  })
  const lanes = beside.map(({ from, label, to }, i) => {
    const x = 40 + WIDTH + 20 + i * LANE
    const [a, b] = [y.get(from)! + HEIGHT / 2 + 8, y.get(to)! + HEIGHT / 2 - 8]
    return `<path d="M${40 + WIDTH} ${a}H${x}V${b}H${42 + WIDTH}" marker-end="url(#a)"/><text x="${x + 5}" y="${(a + b) / 2}" font-size="11" fill="#555">${entities(excerpt(label, 34))}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui,sans-serif" font-size="13"><defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#666"/></marker></defs><rect width="100%" height="100%" fill="#fff"/><text x="40" y="30" font-size="16" font-weight="600">${entities(title)}</text><g fill="none" stroke="#666">${downs.join("")}</g>${boxes.join("")}<g>${lanes.join("").replaceAll("<path ", '<path fill="none" stroke="#666" ')}</g></svg>\n`
}
