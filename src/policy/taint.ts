// A conversation that has read text from outside is asked about before it acts on the world. The mode approve-all is the user's word
// against asking, not against a rule that denies.
import { denial, type Objection, question } from "./objection.ts"
import type { RuleVerdict, TaintRule } from "./rules.ts"
import type { Scene } from "./scene.ts"

const STRICTER: Readonly<Record<RuleVerdict, number>> = { allow: 0, ask: 1, deny: 2 }

export function taintObjections(scene: Scene): Objection[] {
  const { call, layers, permissions, taint } = scene
  const last = taint.at(-1)
  if (!last) return []
  const reason = `${call.tool} would act after this conversation has read text from outside (${last.source}: ${last.detail})`
  return kindsOf(scene).flatMap((kind) => {
    const said = layers.flatMap(({ source, tainted }) => (tainted?.[kind] ? [{ verdict: tainted[kind], source }] : []))
    const strictest = said.toSorted((a, b) => STRICTER[b.verdict] - STRICTER[a.verdict])[0]
    const verdict = strictest?.verdict ?? "ask"
    const source = strictest ? `${strictest.source}.tainted.${kind}` : "built in"
    if (verdict === "allow" || (verdict === "ask" && permissions.mode === "approve-all")) return []
    if (verdict === "deny") return [denial(`taint.${kind}`, source, reason, `change ${source}`)]
    return [question("taint", `taint.${kind}`, source, reason, `policy.tainted.${kind} decides this`)]
  })
}

function kindsOf({ call }: Scene): (keyof TaintRule)[] {
  const kinds: (keyof TaintRule)[] = []
  if (call.class === "exec") kinds.push("exec")
  if (call.class === "network" || call.hosts.length > 0) kinds.push("network")
  if ((call.messages?.length ?? 0) > 0) kinds.push("messages")
  return kinds
}
