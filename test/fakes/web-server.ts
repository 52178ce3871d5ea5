// A web server on loopback that answers as it is told and remembers what it was asked.
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { TestContext } from "node:test"

export interface WebServer {
  /** "127.0.0.1:40123" */
  host: string
  port: number
  url: string
  asked: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[]
}

export async function webServer(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Promise<WebServer> {
  const asked: WebServer["asked"] = []
  const server = createServer(async (request, response) => {
    let body = ""
    for await (const chunk of request) body += String(chunk)
    asked.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body })
    answer(request, response, body)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { host: `127.0.0.1:${port}`, port, url: `http://127.0.0.1:${port}`, asked }
}
