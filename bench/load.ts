// Load over HTTP: chat completions by hand on node:http, cheap enough that the client is not what is measured.
import http from "node:http"
import { TOKEN } from "./processes.ts"

const agent = new http.Agent({ keepAlive: true, maxSockets: 512 })

export interface Answer {
  status: number
  /** ms until the first content delta, and until the end. */
  firstMs: number
  totalMs: number
  bytes: number
}

/** One streamed chat completion. */
export function complete(
  base: string,
  model: string,
  headers: Record<string, string> = {},
  content = "hi",
): Promise<Answer> {
  const url = new URL(base)
  const body = JSON.stringify({ model, stream: true, messages: [{ role: "user", content }] })
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: url.hostname,
        port: url.port,
        path: "/v1/chat/completions",
        method: "POST",
        agent,
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          authorization: `Bearer ${TOKEN}`,
          ...headers,
        },
      },
      (response) => {
        let bytes = 0
        let firstMs = 0
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length
          if (firstMs === 0 && chunk.includes('"content":"')) firstMs = performance.now() - began
        })
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, firstMs, totalMs: performance.now() - began, bytes }),
        )
        response.on("error", reject)
      },
    )
    request.on("error", reject)
    request.end(body)
  })
}

/** Runs `total` calls of `one`, `width` at a time; the elapsed milliseconds. */
export async function flood(total: number, width: number, one: (n: number) => Promise<unknown>): Promise<number> {
  const began = performance.now()
  let next = 0
  const worker = async () => {
    while (next < total) {
      next += 1
      await one(next)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  return performance.now() - began
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
