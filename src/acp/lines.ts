// Framing of ACP over pipes: one JSON-RPC message a line.
export { type LineListener, LineReader } from "../base/lines.ts"
