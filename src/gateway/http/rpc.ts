// POST /rpc: JSON-RPC 2.0 over plain HTTP, single calls and batches (IM-HTTP-13). Answers come with status 200, as the protocol has its
// own errors; a body that only notifies is answered with 204.

import { readFrame } from "../rpc/envelope.ts"
import { runCall } from "../sockets/rpc.ts"
import { readJsonText } from "./body.ts"
import { callerOf } from "./caller.ts"
import type { Exchange } from "./exchange.ts"

export async function postRpc(exchange: Exchange): Promise<void> {
  const { methods, parts, request, response } = exchange
  const { batch, calls, refused } = readFrame(await readJsonText(request, parts.clock))
  const caller = callerOf(exchange)
  const texts = refused.map((answer) => JSON.stringify(answer))
  // One after the other: a batch may build on itself.
  for (const call of calls) {
    const answer = await runCall(call, caller, parts, methods, undefined)
    if (answer !== undefined) texts.push(typeof answer === "string" ? answer : JSON.stringify(answer))
  }
  if (response.destroyed) return
  if (texts.length === 0) {
    response.writeHead(204, { "cache-control": "no-store" }).end()
    return
  }
  const body = batch ? `[${texts.join(",")}]` : texts[0]!
  response.writeHead(200, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  })
  response.end(body)
}
