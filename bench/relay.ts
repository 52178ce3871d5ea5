// The baseline of the HTTP side: a bare node:http relay in front of the model service, no parsing, no storage.
import http from "node:http"

const target = new URL(process.argv[2]!)
const agent = new http.Agent({ keepAlive: true })
const server = http.createServer((request, response) => {
  const upstream = http.request(
    {
      host: target.hostname,
      port: target.port,
      path: request.url,
      method: request.method,
      headers: request.headers,
      agent,
    },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    },
  )
  upstream.on("error", () => response.destroy())
  request.pipe(upstream)
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (typeof address === "object" && address) process.stdout.write(`http://127.0.0.1:${address.port}\n`)
})
