// GET /metrics in the text format of Prometheus, and GET /api/metrics as JSON under IMClaw's names (IM-MET). Nothing in here names a
// session, a person or a text.
import { Counter, Gauge, Registry } from "prom-client"
import type { Parts } from "../parts.ts"
import { factsOf } from "../status/facts.ts"
import type { Counts, Latency } from "../status/tally.ts"
import type { Exchange } from "./exchange.ts"
import { sendJson } from "./refusal.ts"

export async function metricsRoutes(exchange: Exchange): Promise<void> {
  const { parts, request, response } = exchange
  if (request.url?.startsWith("/api/")) {
    sendJson(response, 200, await snapshot(parts))
    return
  }
  const { text, type } = await page(parts)
  response.writeHead(200, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  })
  response.end(request.method === "HEAD" ? undefined : text)
}

/** Made anew for each page: the numbers live in the tally, the store and the desks. */
async function page(parts: Parts): Promise<{ text: string; type: string }> {
  const registry = new Registry()
  const { tally } = parts
  const counter = (name: string, help: string, counts: Counts, label: string) => {
    const made = new Counter({ name, help, labelNames: [label], registers: [registry] })
    for (const [value, count] of counts.entries()) made.inc({ [label]: value }, count)
  }
  const gauge = (name: string, help: string, values: [Record<string, string>, number][]) => {
    const made = new Gauge({ name, help, labelNames: Object.keys(values[0]?.[0] ?? {}), registers: [registry] })
    for (const [labels, value] of values) made.set(labels, value)
  }
  const counts = (name: string, help: string, values: Readonly<Record<string, number>>) => {
    const made = new Counter({ name, help, labelNames: ["event"], registers: [registry] })
    for (const [event, value] of Object.entries(values)) made.inc({ event }, value)
  }
  counter("pincer_turns_total", "Turns that have ended, by status.", tally.turns, "status")
  counter("pincer_tool_calls_total", "Tool calls that have ended.", tally.calls, "tool")
  counter("pincer_tool_errors_total", "Tool calls that failed or were refused.", tally.callErrors, "tool")
  counter("pincer_permission_denials_total", "Tool calls that were not permitted.", tally.denials, "tool")
  counter("pincer_tool_output_characters_total", "Characters of results as recorded.", tally.outputBytes, "tool")
  counter("pincer_approvals_total", "Approvals, by what became of them.", tally.approvals, "decision")
  counter("pincer_model_calls_total", "Answers of model services.", tally.modelCalls, "model")
  counter("pincer_model_failures_total", "Turns that a model service failed, by kind.", tally.modelFailures, "kind")
  counter("pincer_input_tokens_total", "Tokens sent.", tally.inputTokens, "model")
  counter("pincer_output_tokens_total", "Tokens received.", tally.outputTokens, "model")
  counter("pincer_cost_dollars_total", "US dollars, where a price is known.", tally.costUsd, "model")
  summary(registry, "pincer_turn_seconds", "From start to end of a turn.", tally.turnLatency)
  summary(registry, "pincer_first_text_seconds", "From start of a turn to its first text.", tally.firstText)
  summary(registry, "pincer_tool_call_seconds", "Duration of a tool call.", tally.callLatency)
  const facts = await factsOf(parts)
  gauge("pincer_turns", "Turns now.", pairs("state", facts.turns))
  const { queued, running, submitted, completed, failed, canceled, retried, durationMs } = facts.jobs
  gauge("pincer_jobs", "Jobs that have not ended.", pairs("status", { queued, running }))
  counts("pincer_jobs_total", "What happened to jobs.", { submitted, completed, failed, canceled, retried })
  counts("pincer_callbacks_total", "Callbacks of jobs.", {
    delivered: facts.jobs.callbacksDelivered,
    given_up: facts.jobs.callbacksGivenUp,
  })
  const total = (name: string, help: string, value: number) =>
    new Counter({ name, help, registers: [registry] }).inc(value)
  total("pincer_job_seconds_count", "Jobs that have ended.", durationMs.count)
  total("pincer_job_seconds_sum", "From their first start to their end.", durationMs.sum / 1000)
  gauge("pincer_approvals_pending", "Approvals that wait.", [[{}, facts.approvalsPending]])
  gauge("pincer_elevated_sessions", "Sessions whose commands may leave the sandbox.", [[{}, facts.elevatedSessions]])
  const { available, backend } = facts.sandbox
  gauge("pincer_sandbox_available", "Whether commands can be confined.", [[{ backend }, available ? 1 : 0]])
  gauge("pincer_today_turns", "Turns that have ended today (UTC).", [[{}, facts.today.turns]])
  gauge("pincer_today_tokens", "Tokens of today's turns.", [
    [{ direction: "input" }, facts.today.inputTokens],
    [{ direction: "output" }, facts.today.outputTokens],
  ])
  gauge("pincer_today_cost_dollars", "US dollars of today's turns.", [[{}, facts.today.costUsd ?? 0]])
  gauge("pincer_sessions", "Sessions in the store.", [[{}, facts.sessions]])
  gauge("pincer_connections", "Sockets of the control plane.", [[{}, facts.connections]])
  gauge("pincer_store_bytes", "Size of the database.", [[{}, facts.storeBytes]])
  gauge("process_resident_memory_bytes", "Resident memory.", [[{}, process.memoryUsage.rss()]])
  gauge("process_start_time_seconds", "Start of the process.", [[{}, parts.startedAt / 1000]])
  gauge("pincer_build_info", "Version.", [[{ version: parts.version }, 1]])
  return { text: await registry.metrics(), type: registry.contentType }
}

function pairs(label: string, values: Readonly<Record<string, number>>): [Record<string, string>, number][] {
  return Object.entries(values).map(([name, value]) => [{ [label]: name }, value])
}

/** Percentiles of the last thousand; count and sum of all. */
function summary(registry: Registry, name: string, help: string, latency: Latency): void {
  const now = latency.summary()
  const made = new Gauge({ name, help, labelNames: ["quantile"], registers: [registry] })
  if (now) {
    for (const [quantile, ms] of [
      ["0.5", now.p50],
      ["0.95", now.p95],
      ["0.99", now.p99],
    ] as const)
      made.set({ quantile }, ms / 1000)
  }
  const count = new Counter({ name: `${name}_count`, help: `${help} How many.`, registers: [registry] })
  const sum = new Counter({ name: `${name}_sum`, help: `${help} In all.`, registers: [registry] })
  count.inc(latency.count)
  sum.inc(latency.sumMs / 1000)
}

/** IMClaw's names, with what they mean here. */
async function snapshot(parts: Parts): Promise<Record<string, unknown>> {
  const { tally } = parts
  const facts = await factsOf(parts)
  const latency = (of: Latency) => ({ count: of.count, ...of.summary() })
  return {
    counters: {
      "request.total": tally.turns.total,
      "request.errors": tally.turns.entries().reduce((sum, [word, n]) => sum + (word === "completed" ? 0 : n), 0),
      "tool.call_count": tally.calls.total,
      "tool.call_errors": tally.callErrors.total,
      "permission.denials": tally.denials.total,
      "agent.exec_failures": tally.modelFailures.total,
      "output.size_bytes": tally.outputBytes.total,
      "job.submitted": facts.jobs.submitted,
      "job.completed": facts.jobs.completed,
      "job.failed": facts.jobs.failed,
    },
    gauges: {
      "session.active_count": facts.turns.running,
      "ws.active_connections": facts.connections,
      "job.queued": facts.jobs.queued,
      "approval.pending": facts.approvalsPending,
    },
    latencies: {
      "session.prompt_latency": latency(tally.firstText),
      "request.latency": latency(tally.turnLatency),
      "tool.call_duration": latency(tally.callLatency),
      "job.duration": {
        count: facts.jobs.durationMs.count,
        avg: facts.jobs.durationMs.count === 0 ? 0 : facts.jobs.durationMs.sum / facts.jobs.durationMs.count,
      },
    },
  }
}
