// The one question asked before every tool call, from every door: may this run, and where? Pure: everything it looks at is handed in.
// The steps of R-16 in their order: identity, hard deny, availability, placement, mode, ask. Each can only narrow what the one before
// left; the first that refuses decides, and the answer names it. A question is answered beforehand only if every question is.
import type { Decision, DecisionStep, DecisionTrail, Placement } from "../protocol/decision.ts"
import { argumentObjections } from "./arguments.ts"
import { contextObjections } from "./contexts.ts"
import { answerTo } from "./grants.ts"
import { type Basis, modeOf } from "./mode.ts"
import { identity, outright, unlisted } from "./names.ts"
import type { Objection } from "./objection.ts"
import { placementOf } from "./placement.ts"
import { rateObjections } from "./rates.ts"
import type { Scene } from "./scene.ts"

export { isInside } from "./places.ts"

const NOWHERE: Placement = { type: "none" }

export function decide(scene: Scene): Decision {
  const course = new Course(scene)
  const steps: [DecisionStep, (scene: Scene) => readonly Objection[], string][] = [
    ["identity", identity, `asked through ${scene.origin.door}`],
    ["deny", outright, "nothing denies it"],
    ["availability", available, `${scene.call.tool} may be used`],
  ]
  for (const [step, look, otherwise] of steps) {
    const refused = course.take(step, look(scene), otherwise)
    if (refused) return refused
  }
  const place = placementOf(scene)
  const misplaced = course.take("placement", place.objections, place.reason)
  if (misplaced) return misplaced
  const mode = modeOf(scene, place.placement)
  const refused = course.take("mode", mode.objections, "basis" in mode ? mode.basis.reason : "")
  if (refused) return refused
  return course.end(place.placement, "basis" in mode ? mode.basis : undefined)
}

function available(scene: Scene): Objection[] {
  return [
    ...unlisted(scene),
    ...scene.layers.flatMap((layer) => [
      ...argumentObjections(scene, layer),
      ...rateObjections(scene, layer),
      ...contextObjections(scene, layer),
    ]),
  ]
}

/** What the steps found so far, and the trail they leave. */
class Course {
  readonly #scene: Scene
  readonly #trail: DecisionTrail[] = []
  readonly #asks: Objection[] = []

  constructor(scene: Scene) {
    this.#scene = scene
  }

  /** The decision, when a step has something against the call for good. */
  take(step: DecisionStep, objections: readonly Objection[], otherwise: string): Decision | undefined {
    const denied = objections.find((one) => one.verdict === "deny")
    if (denied) {
      this.#note(step, "deny", denied)
      return this.#decision("deny", step, { ...denied, reason: withCure(denied) }, NOWHERE)
    }
    for (const one of objections) this.#note(step, "ask", one)
    this.#asks.push(...objections)
    if (objections.length === 0)
      this.#note(step, "pass", { rule: `${step}.pass`, source: "built in", reason: otherwise })
    return undefined
  }

  end(placement: Placement, basis: Basis | undefined): Decision {
    const open: Objection[] = []
    let answered: Basis | undefined
    for (const asked of this.#asks) {
      const answer = answerTo(this.#scene, asked)
      if (answer) this.#note("mode", "allow", answer)
      else open.push(asked)
      answered ??= answer
    }
    if (open.length === 0) {
      const why = answered ?? basis
      if (!why) throw new TypeError(`${this.#scene.call.tool} passed without a reason`)
      if (!answered) this.#note("mode", "allow", why)
      return this.#decision("allow", "mode", why, placement)
    }
    return this.#scene.canAsk ? this.#ask(open, placement) : this.#unattended(open)
  }

  #ask(open: readonly Objection[], placement: Placement): Decision {
    const first = strongest(open)
    const reason = reasonOf(open)
    this.#note("ask", "ask", { ...first, reason })
    return this.#decision("ask", "ask", { ...first, reason }, placement)
  }

  #unattended(open: readonly Objection[]): Decision {
    const { nonInteractive, sources } = this.#scene.permissions
    const cures = open.flatMap(({ cure }) => (cure === undefined ? [] : [cure]))
    const cure = cures.length === 0 ? "" : `: ${[...new Set(cures)].join("; ")}`
    const reason = `${reasonOf(open)}, and nobody who could approve it is connected${cure}`
    const source = sources.nonInteractive ?? "built in"
    const why = { rule: `nonInteractive.${nonInteractive}`, source, reason }
    this.#note("ask", "deny", why)
    const decision = this.#decision("deny", "ask", why, NOWHERE)
    return nonInteractive === "fail" ? { ...decision, endsTurn: true } : decision
  }

  #note(step: DecisionStep, result: DecisionTrail["result"], { reason, rule, source }: Basis): void {
    this.#trail.push({ step, result, rule, source, reason })
  }

  #decision(verdict: Decision["verdict"], step: DecisionStep, why: Basis, placement: Placement): Decision {
    const { reason, rule, source } = why
    return { verdict, step, rule, source, reason, placement, taint: this.#scene.taint, trail: this.#trail }
  }
}

const WEIGHT: readonly Objection["answer"][] = ["each", "taint", "host", "mode"]

/** What stands for all of them: what nothing could have answered comes first. */
function strongest(asks: readonly Objection[]): Objection {
  return asks.toSorted((a, b) => WEIGHT.indexOf(a.answer) - WEIGHT.indexOf(b.answer))[0]!
}

/** All reasons, the strongest first; that a call needs leave at all is only said when nothing else is. */
function reasonOf(asks: readonly Objection[]): string {
  const sorted = asks.toSorted((a, b) => WEIGHT.indexOf(a.answer) - WEIGHT.indexOf(b.answer))
  const special = sorted.filter((one) => one.answer !== "mode")
  const shown = special.length > 0 ? special : sorted
  return [...new Set(shown.map((one) => (one.answer === "host" ? withCure(one) : one.reason)))].join("; ")
}

function withCure({ cure, reason }: Objection): string {
  return cure === undefined ? reason : `${reason}: ${cure}`
}
