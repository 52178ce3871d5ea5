// Watches what a gateway in this process says: every result of a method and every event is held against the schema that the protocol
// promises for it. What does not fit makes the test fail that closes its house.
import type { z } from "zod"
import { eventSchema } from "../src/gateway/methods/event-schemas.ts"
import { methods } from "../src/gateway/methods/index.ts"
import { type Method, type MethodContext, RawJson } from "../src/gateway/methods/method.ts"
import { Outbox } from "../src/gateway/sockets/outbox.ts"

const MAX_KEPT = 20
const broken: string[] = []

function hold(what: string, schema: z.ZodType, value: unknown): void {
  const parsed = schema.safeParse(value)
  if (parsed.success || broken.length >= MAX_KEPT) return
  const problems = parsed.error.issues.slice(0, 3).map((issue) => `${issue.path.join(".")}: ${issue.message}`)
  broken.push(
    `${what} is not what the protocol promises: ${problems.join("; ")}: ${JSON.stringify(value).slice(0, 500)}`,
  )
}

function watchMethod(entry: Method): void {
  const { run } = entry
  entry.run = async (params: unknown, context: MethodContext) => {
    const { accept } = context
    const result = await run(params, {
      ...context,
      accept(payload) {
        hold(`The first answer of ${entry.name}`, entry.result, payload)
        accept(payload)
      },
    })
    const plain: unknown = result instanceof RawJson ? JSON.parse(result.text) : result
    hold(`The result of ${entry.name}`, entry.result, plain)
    return result
  }
}

/** Begins to watch, once in a process. */
export function watchProtocol(): void {
  if (watching) return
  watching = true
  for (const entry of methods) watchMethod(entry)
  const { event } = Outbox.prototype
  Outbox.prototype.event = function (name, payload, ...rest) {
    const schema = eventSchema(name)
    if (schema) hold(`The event ${name}`, schema, JSON.parse(payload))
    else broken.push(`The event ${name} has no schema in src/gateway/methods/event-schemas.ts`)
    event.call(this, name, payload, ...rest)
  }
}

let watching = false

/** Throws when something did not fit since the last look. */
export function requireFitting(): void {
  const [first] = broken
  const { length } = broken
  broken.length = 0
  if (first !== undefined) throw new Error(length === 1 ? first : `${first} (and ${length - 1} more)`)
}
