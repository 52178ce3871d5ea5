// A llama-server of this machine as the engine: started on a free loopback port with the secret in a file of its own, watched until it
// answers, ended with this process.
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { rmSync, writeFileSync } from "node:fs"
import type { AddressInfo } from "node:net"
import { createServer } from "node:net"
import { join } from "node:path"
import { PincerError } from "../../base/errors.ts"
import type { Order } from "./order.ts"

const LOOK_MS = 100

/** Resolves when it answers. Throws UNAVAILABLE when it ends instead; waiting for ever is up to whoever started us. */
export async function openLlamaServer(file: string, order: Order): Promise<{ port: number; child: ChildProcess }> {
  const port = await freePort()
  const keyFile = join(order.folder, "key")
  writeFileSync(keyFile, `${order.secret}\n`, { mode: 0o600 })
  const { model, threads, contextSize } = order
  const args = ["--model", model.path, "--alias", model.name, "--host", "127.0.0.1", "--port", String(port)]
  const limits = ["--threads", String(threads), "--ctx-size", String(contextSize), "--parallel", "1"]
  const child = spawn(file, [...args, ...limits, "--api-key-file", keyFile, "--jinja"], {
    stdio: ["ignore", "inherit", "inherit"],
  })
  try {
    const gone = once(child, "exit").then(([code, signal]) => {
      throw new PincerError(
        "UNAVAILABLE",
        `${file} ended (${String(signal ?? `exit code ${String(code)}`)}) instead of loading ${model.name}`,
      )
    })
    await Promise.race([gone, answers(port, order.secret)])
    gone.catch(() => undefined)
    return { port, child }
  } finally {
    rmSync(keyFile, { force: true })
  }
}

/** /health says 503 while the model loads; the list of models needs the secret, which an unrelated program would not take. */
async function answers(port: number, secret: string): Promise<void> {
  for (;;) {
    const ask = (path: string) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        headers: path === "/health" ? {} : { authorization: `Bearer ${secret}` },
      })
        .then(async (response) => {
          await response.body?.cancel()
          return response.ok
        })
        .catch(() => false)
    if ((await ask("/health")) && (await ask("/v1/models"))) return
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}
