// The answer to session/request_permission: one of the options that were offered, or cancelled. An id is never made up, and nothing wider
// is chosen than what was allowed. Pure.
import type { HostedLeave } from "../../agent/harness.ts"
import { unreachable } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"

export type OptionKind = "allow_once" | "allow_always" | "reject_once" | "reject_always"

export interface LeaveOption {
  optionId: string
  kind: OptionKind
}

const KINDS: ReadonlySet<unknown> = new Set(["allow_once", "allow_always", "reject_once", "reject_always"])

/** Those that can be chosen: an option without an id, or of a kind that nobody knows, cannot. */
export function optionsOf(list: unknown): LeaveOption[] {
  return (Array.isArray(list) ? list.slice(0, 100) : []).flatMap((one): LeaveOption[] => {
    if (!isObject(one) || typeof one["optionId"] !== "string" || !KINDS.has(one["kind"])) return []
    return [{ optionId: one["optionId"], kind: one["kind"] as OptionKind }]
  })
}

export function leaveAnswer(leave: HostedLeave, options: readonly LeaveOption[]): unknown {
  const chosen = kindsFor(leave).flatMap((kind) => options.find((one) => one.kind === kind) ?? [])[0]
  return { outcome: chosen ? { outcome: "selected", optionId: chosen.optionId } : { outcome: "cancelled" } }
}

/** The kinds that say it, the best first. */
function kindsFor(leave: HostedLeave): OptionKind[] {
  switch (leave.type) {
    case "allowed":
      return leave.always ? ["allow_always", "allow_once"] : ["allow_once"]
    case "denied":
      return leave.always ? ["reject_always", "reject_once"] : ["reject_once", "reject_always"]
    case "canceled":
      return []
    default:
      return unreachable(leave)
  }
}
