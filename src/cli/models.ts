// `pincer models`: which models there are, and whether one really answers.
import { isObject } from "../base/json.ts"
import type { Cli } from "./cli.ts"
import { reachGateway } from "./connect.ts"
import { secondsOf } from "./gateway-control.ts"
import { inertLine } from "./inert.ts"
import { Exit } from "./report.ts"
import { stringOf } from "./turn.ts"

export async function listModels(cli: Cli, flags: { provider?: string; json?: boolean }): Promise<void> {
  const link = await reachGateway(cli, { otherwise: "start" })
  try {
    const params = flags.provider === undefined ? {} : { provider: flags.provider }
    const answer: unknown = await link.client.request("models.list", params, { timeoutMs: 60_000 })
    const models = isObject(answer) && Array.isArray(answer["models"]) ? answer["models"].filter(isObject) : []
    if (flags.json) {
      cli.out.json(models)
      return
    }
    const rows = models.map((model) => [
      `${model["default"] === true ? "* " : "  "}${stringOf(model["key"]) ?? ""}`,
      typeof model["contextWindow"] === "number" ? `${Math.round(model["contextWindow"] / 1000)}k` : "",
      [
        Array.isArray(model["input"]) && model["input"].includes("image") ? "images" : "",
        model["reasoning"] === true ? "thinks" : "",
      ]
        .filter(Boolean)
        .join(", "),
      stringOf(model["name"]) ?? "",
    ])
    cli.out.table(
      ["  MODEL", "CONTEXT", "CAN", "NAME"],
      cli.out.isTerminal ? rows : rows.map(([key = "", ...rest]) => [key.slice(2), ...rest]),
    )
    if (cli.out.isTerminal)
      cli.out.line(
        cli.out.paint(
          "* answers when none is named; to change it: pincer config set agents.defaults.model provider/model",
          "dim",
        ),
      )
  } finally {
    await link.close()
  }
}

/** Throws Exit(1) when the model does not answer. */
export async function probeModel(
  cli: Cli,
  name: string | undefined,
  flags: { timeout: string; json?: boolean },
): Promise<void> {
  const timeoutMs = Math.min(120_000, Math.max(100, secondsOf(flags.timeout)))
  const link = await reachGateway(cli, { otherwise: "start" })
  try {
    const model = name ?? (await chosen(link.client))
    const answer: unknown = await link.client.request(
      "models.probe",
      { model, timeoutMs },
      { timeoutMs: timeoutMs + 10_000 },
    )
    const probe = isObject(answer) ? answer : {}
    const ok = probe["available"] === true
    if (flags.json) cli.out.json(answer)
    else {
      const shown = `${String(probe["provider"])}/${String(probe["model"])}`
      const why = stringOf(probe["error"])
      if (ok) cli.out.line(`${inertLine(shown)} answered in ${Math.round(Number(probe["latencyMs"]))} ms.`)
      else
        cli.out.line(
          inertLine(`${shown} did not answer (${String(probe["status"])})${why === undefined ? "" : `: ${why}`}`),
        )
    }
    if (!ok) throw new Exit(1)
  } finally {
    await link.close()
  }
}

async function chosen(client: { request(method: string): Promise<unknown> }): Promise<string> {
  const status = await client.request("status")
  const model = isObject(status) && isObject(status["model"]) ? status["model"] : {}
  return `${String(model["provider"])}/${String(model["model"])}`
}
