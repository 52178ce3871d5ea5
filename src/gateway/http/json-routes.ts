// The small JSON routes, on hono: models, embeddings, stored responses. The caller has been authenticated. Errors become OpenAI
// error objects in one place.
import { getRequestListener, type HttpBindings } from "@hono/node-server"
import { type Context, Hono } from "hono"
import { shownError } from "../shown.ts"
import { readJsonBody } from "./body.ts"
import { createEmbeddings } from "./embeddings.ts"
import type { Exchange } from "./exchange.ts"
import { findModel, listModels } from "./models.ts"
import { encodeRefusal } from "./refusal.ts"
import { unknownResponse } from "./responses.ts"

type Bindings = { Bindings: HttpBindings }

/** The exchange that a request belongs to: hono hands its routes the raw request, and nothing else of ours. */
const exchanges = new WeakMap<object, Exchange>()

function exchangeOf(context: Context<Bindings>): Exchange {
  const exchange = exchanges.get(context.env.incoming)
  if (!exchange) throw new TypeError("A request did not come through the door")
  return exchange
}

const app = new Hono<Bindings>()

app.use(async (context, next) => {
  await next()
  context.header("cache-control", "no-store")
  context.header("x-content-type-options", "nosniff")
})

app.get("/v1/models", async (context) => context.json(await listModels(exchangeOf(context), context.req.query("view"))))

app.get("/v1/models/:id{.+}", async (context) =>
  context.json(await findModel(exchangeOf(context), context.req.param("id"))),
)

app.post("/v1/embeddings", async (context) => {
  const exchange = exchangeOf(context)
  const body = await readJsonBody(exchange.request, exchange.parts.clock)
  return context.json(await createEmbeddings(exchange, body))
})

app.get("/v1/responses/:id", async (context) => {
  const id = context.req.param("id")
  const row = await exchangeOf(context).parts.store.responses.get(id)
  if (!row) throw unknownResponse(id)
  return context.json(row.body)
})

app.delete("/v1/responses/:id", async (context) => {
  const id = context.req.param("id")
  if (!(await exchangeOf(context).parts.store.responses.delete(id))) throw unknownResponse(id)
  return context.json({ id, object: "response", deleted: true })
})

app.onError((error, context) => {
  const { log, redactor } = exchangeOf(context).parts
  const { status, headers, body } = encodeRefusal(shownError(error, redactor), log)
  return Response.json(body, { status, headers })
})

const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false })

export async function jsonRoutes(exchange: Exchange): Promise<void> {
  exchanges.set(exchange.request, exchange)
  await listener(exchange.request, exchange.response)
}
