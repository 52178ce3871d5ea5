// The baseline of the jobs: a bare node:http server without storage. POST parses the JSON and answers 201 with it; GET /list sends a
// page made beforehand; GET /stream sends so many events as fast as they are taken.
import { once } from "node:events"
import http from "node:http"

const job = { id: "019d527d-34ed-7272-b336-f67fd49024db", status: "queued", prompt: "x".repeat(40), agent_name: "main" }
const page = { jobs: Array.from({ length: 50 }, () => ({ ...job, created_at: new Date(0).toISOString() })), count: 50 }
const data = JSON.stringify({ job_id: job.id, turn_id: `${job.id}.1`, seq: 1, at: 1, event: { text: "x".repeat(100) } })
const events = Number(process.argv[2] ?? 10_000)

async function stream(response: http.ServerResponse): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" })
  for (let sent = 0; sent < events; sent += 200) {
    let text = ""
    for (let i = sent; i < sent + 200; i++) text += `id: 2.${i}\nevent: notice.posted\ndata: ${data}\n\n`
    if (!response.write(text)) await once(response, "drain")
  }
  response.end()
}

const server = http.createServer((request, response) => {
  if (request.url === "/stream") {
    void stream(response)
    return
  }
  const chunks: Buffer[] = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    const answer =
      request.method === "POST" ? { ...job, ...(JSON.parse(Buffer.concat(chunks).toString()) as object) } : page
    response.writeHead(request.method === "POST" ? 201 : 200, { "content-type": "application/json" })
    response.end(JSON.stringify(answer))
  })
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (typeof address === "object" && address) process.stdout.write(`http://127.0.0.1:${address.port}\n`)
})
