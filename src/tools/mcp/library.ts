// The official library as what was imported: it is loaded when the first server is connected.

export type McpLibrary = typeof import("@modelcontextprotocol/client")
