// session.options: what an external agent offers for a session. It is chosen with sessions.patch.
import { z } from "zod"
import { namesSession, resolveSession } from "../inbound.ts"
import { offerOf } from "../sessions/session-options.ts"
import { type Method, method } from "./method.ts"
import { sessionFields } from "./params.ts"

const choice = () => z.looseObject({ value: z.string(), name: z.string() })

const options = method({
  name: "session.options",
  summary:
    "What the external agent of a session offers for it, and what is chosen: modes, options (the model is one), commands.",
  scope: "operator.read",
  params: () =>
    z.object(sessionFields()).refine(namesSession, { path: ["sessionKey"], error: "sessionKey is required" }),
  result: () =>
    z.object({
      sessionKey: z.string(),
      hosted: z.boolean().describe("An external agent runs its turns; of Pincer's own nothing is listed here"),
      known: z.boolean().describe("The agent has said what it offers; it does with its first turn"),
      modes: z.array(z.looseObject({ id: z.string(), name: z.string() })),
      mode: z.string().nullable(),
      options: z.array(
        z.looseObject({
          id: z.string(),
          name: z.string(),
          type: z.enum(["select", "boolean"]),
          currentValue: z.union([z.string(), z.boolean()]),
          options: z.array(choice()).optional(),
        }),
      ),
      commands: z.array(z.looseObject({ name: z.string(), description: z.string() })),
    }),
  async run(params, { parts }) {
    const name = await resolveSession(params, parts)
    return { sessionKey: name.key, ...(await offerOf(name, parts)) }
  },
})

export const sessionOptionMethods: readonly Method[] = [options]
