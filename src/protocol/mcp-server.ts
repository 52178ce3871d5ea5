// How an MCP server is reached (ACP's McpServer, which JetBrains and Zed send; acp.md §3).

export type McpServer =
  | { type: "stdio"; name: string; command: string; args: string[]; env: Record<string, string> }
  | { type: "http" | "sse"; name: string; url: string; headers: Record<string, string> }
