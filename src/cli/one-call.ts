// One errand at a gateway: reach it, ask, leave, whatever happens. For commands that ask a question or two.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import type { GatewayClient } from "../protocol/client.ts"
import type { Cli } from "./cli.ts"
import { type Reach, reachGateway } from "./connect.ts"

/** `otherwise`: what happens when no gateway runs. The link is closed when `use` has settled. */
export async function withLink<T>(
  cli: Cli,
  otherwise: "start" | "refuse",
  use: (link: Reach) => Promise<T>,
): Promise<T> {
  const link = await reachGateway(cli, { otherwise })
  try {
    return await use(link)
  } finally {
    await link.close()
  }
}

/** With a gateway that runs; refused when none does. */
export function withGateway<T>(cli: Cli, use: (client: GatewayClient) => Promise<T>): Promise<T> {
  return withLink(cli, "refuse", ({ client }) => use(client))
}

/** An answer that must be an object. Throws INTERNAL_ERROR when it is something else. */
export async function fieldsOf(
  client: Pick<GatewayClient, "request">,
  method: string,
  params: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const answer: unknown = await client.request(method, params)
  if (isObject(answer)) return answer
  throw new PincerError("INTERNAL_ERROR", `The gateway's answer to ${method} is not understood`)
}
