// One mutated configuration through both ways in: loaded by a gateway that runs, and started with. After each the gateway must be
// reachable, as configured, with the last good configuration, or safe, and must say what it refused and where.
import assert from "node:assert/strict"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { PincerError } from "../src/base/errors.ts"
import { keepLastGood } from "../src/config/boot-record.ts"
import type { Gateway } from "../src/gateway/compose.ts"
import { bootGateway } from "../src/gateway/config/boot.ts"
import type { Mutant } from "./fakes/config-mutants.ts"
import { mutant } from "./fakes/config-mutants.ts"
import { lines } from "./fakes/config-sample.ts"
import { TEST_TOKEN } from "./house.ts"

export interface Rounds {
  /** What became of them. */
  counts: Record<"reloaded" | "refused" | "configured" | "last-known-good" | "safe", number>
}

export interface RoundPlace {
  home: string
  env: Record<string, string>
}

/** The first gateway of a home, with the good configuration kept. */
export function placeOf(home: string): RoundPlace {
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, PINCER_HOME: home, PINCER_GATEWAY_TOKEN: TEST_TOKEN }
  writeFileSync(join(home, "pincer.json"), lines.join("\n"), { mode: 0o600 })
  return { home, env }
}

/** Runs all of them against one running gateway, one after the other. */
export async function reloadAll(place: RoundPlace, seeds: readonly number[], rounds: Rounds): Promise<void> {
  const gateway = await bootGateway({ env: place.env })
  try {
    for (const seed of seeds) {
      const one = mutant(seed)
      writeFileSync(join(place.home, "pincer.json"), one.text)
      const before = JSON.stringify(gateway.parts.config)
      try {
        await gateway.parts.live.reload("call")
        rounds.counts.reloaded += 1
      } catch (error) {
        rounds.counts.refused += 1
        saysWhere(error, one)
        assert.equal(JSON.stringify(gateway.parts.config), before, `${told(one)}: a refused file changed what counts`)
        assert.ok(gateway.parts.live.refused, told(one))
      }
      await answers(gateway, one)
    }
  } finally {
    await gateway.close(0)
  }
}

/** Starts with it until a gateway is there. `fresh`: nothing has worked on this home before. */
export async function startWith(place: RoundPlace, seed: number, fresh: boolean, rounds: Rounds): Promise<void> {
  const one = mutant(seed)
  for (const name of ["starts.json", "config-last-good.json"]) rmSync(join(place.home, name), { force: true })
  if (!fresh) keepLastGood(place.home, lines.join("\n"))
  writeFileSync(join(place.home, "pincer.json"), one.text, { mode: 0o600 })
  for (let attempt = 1; ; attempt++) {
    assert.ok(attempt <= 4, `${told(one)}: no gateway after three starts that failed`)
    let gateway: Gateway
    try {
      gateway = await bootGateway({ env: place.env })
    } catch (error) {
      saysWhere(error, one)
      continue
    }
    try {
      const { mode, refused } = gateway.parts.live
      rounds.counts[mode] += 1
      if (mode !== "configured") {
        assert.ok(refused && refused.message.length > 10, told(one))
        assert.ok(
          gateway.warnings.some((warning) => warning.includes(refused.message)),
          told(one),
        )
      }
      if (mode === "safe") assert.match(gateway.url, /^http:\/\/127\.0\.0\.1:/)
      await answers(gateway, one)
    } finally {
      await gateway.close(0)
    }
    return
  }
}

/** A refusal is ours, one that names the file and, where it can be told, the line. */
function saysWhere(error: unknown, one: Mutant): void {
  assert.ok(error instanceof PincerError, `${told(one)}: ${error instanceof Error ? error.stack : String(error)}`)
  assert.notEqual(error.code, "INTERNAL_ERROR", told(one))
  const issues = error.details?.["issues"]
  if (Array.isArray(issues) && issues.some((issue: { line?: number }) => issue.line !== undefined))
    assert.match(error.message, /line \d+, column \d+/, told(one))
  assert.doesNotMatch(error.message, /k-0123456789abcdef/, `${told(one)}: a secret was told`)
}

/** Reached as a client on this machine reaches it: over its port, with the token that it asks for. */
async function answers({ addresses, parts }: Gateway, one: Mutant): Promise<void> {
  const port = addresses[0]!.port
  const response = await fetch(`http://127.0.0.1:${port}/v1/models`, {
    headers: parts.token === undefined ? {} : { authorization: `Bearer ${parts.token}` },
  })
  await response.arrayBuffer()
  assert.equal(response.status, 200, told(one))
}

function told({ how, seed }: Mutant): string {
  return `mutant ${seed} (${how})`
}
