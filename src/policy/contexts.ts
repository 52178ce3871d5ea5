// Rules about the circumstances: time of day, where the turn came from, whether it has read text from outside.
import { denial, type Objection, question } from "./objection.ts"
import type { ContextRule, PolicyLayer } from "./rules.ts"
import type { Scene } from "./scene.ts"
import { matchesAny } from "./tool-names.ts"

const DAY_MINUTES = 24 * 60

export function contextObjections(scene: Scene, layer: PolicyLayer): Objection[] {
  return inForce(scene, layer).flatMap(({ rule, source }) => {
    if (rule.verdict === "allow") return []
    const reason = `${scene.call.tool} is restricted ${wordsOf(rule, scene)} (${source})`
    return [rule.verdict === "deny" ? denial("context", source, reason) : question("each", "context", source, reason)]
  })
}

/** The rule that answers what the mode or taint would ask. */
export function contextAllowing(scene: Scene): { rule: string; source: string; reason: string } | undefined {
  for (const layer of scene.layers)
    for (const { rule, source } of inForce(scene, layer))
      if (rule.verdict === "allow") {
        const reason = `${scene.call.tool} is allowed ${wordsOf(rule, scene)} (${source})`
        return { rule: "context", source, reason }
      }
  return undefined
}

function inForce(scene: Scene, { contexts = [], source }: PolicyLayer): { rule: ContextRule; source: string }[] {
  return contexts
    .map((rule, at) => ({ rule, source: `${source}.contexts[${at}]` }))
    .filter(({ rule }) => matchesAny(rule.tools, scene.call.tool) && holds(rule, scene))
}

function holds({ when }: ContextRule, scene: Scene): boolean {
  const { origin, subAgent, taint } = scene
  if (!timeHolds(when, scene)) return false
  if (when.doors && !when.doors.includes(origin.door)) return false
  if (when.channels && !when.channels.includes(origin.channel ?? "")) return false
  const senders = [origin.sender, origin.clientId, origin.deviceId]
  if (when.senders && !senders.some((who) => who !== undefined && when.senders?.includes(who))) return false
  if (when.tainted !== undefined && when.tainted !== taint.length > 0) return false
  return when.subAgent === undefined || when.subAgent === subAgent
}

function timeHolds({ between, days }: ContextRule["when"], { now, utcOffsetMinutes }: Scene): boolean {
  const local = Math.floor(now / 60_000) + utcOffsetMinutes
  const minute = ((local % DAY_MINUTES) + DAY_MINUTES) % DAY_MINUTES
  let weekday = new Date(local * 60_000).getUTCDay()
  if (between) {
    const [from, to] = [minuteOf(between[0]), minuteOf(between[1])]
    const overMidnight = from > to
    if (overMidnight ? minute < from && minute >= to : minute < from || minute >= to) return false
    // After midnight it is still the night of the day before.
    if (overMidnight && minute < to) weekday = (weekday + 6) % 7
  }
  return days === undefined || days.includes(weekday)
}

function minuteOf(clock: string): number {
  return Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5))
}

function wordsOf({ when }: ContextRule, { origin }: Scene): string {
  const words = [
    when.between && `between ${when.between.join(" and ")}`,
    when.days && "on this day",
    when.doors && `through ${origin.door}`,
    when.channels && `from ${origin.channel}`,
    when.senders && "for this sender",
    when.tainted && "after reading text from outside",
    when.tainted === false && "before reading text from outside",
    when.subAgent && "for turns that other turns started",
    when.subAgent === false && "for turns that no other turn started",
  ]
  return words.filter((word) => typeof word === "string").join(", ") || "here and now"
}
