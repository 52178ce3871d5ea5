// The rule that "allow always" would write for a call, in words and as data; shown before it is written.

import type { CallFacts } from "../policy/scene.ts"
import { offerFor } from "../policy/shell/match.ts"
import type { RuleOffer } from "../protocol/approval.ts"
import type { Decision } from "../protocol/decision.ts"

/** Undefined when the call cannot be allowed for good: what asks because of untrusted text or elevated mode asks each time. */
export function offerOf(call: CallFacts, decision: Decision, agentId: string): RuleOffer | undefined {
  if (/^(taint|elevated|protected|context|arguments)\b/.test(decision.rule)) return undefined
  const base = { tool: call.tool, agentId }
  const whom = `for agent ${agentId}`
  if (call.class === "exec") {
    const command = call.command && offerFor(call.command)
    if (!command || !call.command) return undefined
    return {
      ...base,
      text: `${call.tool}: ${command.map((words) => words.join(" ")).join("; ")}, ${whom}`,
      match: { command },
    }
  }
  if (call.writes.length > 0 && call.hosts.length === 0)
    return {
      ...base,
      text: `${call.tool}: change ${call.writes.join(", ")}, ${whom}`,
      match: { paths: [...call.writes] },
    }
  if (call.hosts.length > 0 && call.writes.length === 0)
    return {
      ...base,
      text: `${call.tool}: contact ${call.hosts.join(", ")}, ${whom}`,
      match: { hosts: [...call.hosts] },
    }
  if (call.reads.length > 0 && call.writes.length + call.hosts.length === 0)
    return { ...base, text: `${call.tool}: read ${call.reads.join(", ")}, ${whom}`, match: { paths: [...call.reads] } }
  return undefined
}
