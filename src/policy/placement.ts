// Where a call runs: tools of the daemon in the daemon, programs in the sandbox, or on the host when the session is elevated or a human
// says so for this one call. Without a working sandbox nothing runs by itself (fails closed).
import type { Placement } from "../protocol/decision.ts"
import { denial, type Objection, question } from "./objection.ts"
import { isInside } from "./places.ts"
import type { Scene } from "./scene.ts"

export interface Place {
  placement: Placement
  reason: string
  objections: readonly Objection[]
}

export function placementOf(scene: Scene): Place {
  if (scene.call.class === "exec") return execPlace(scene)
  const { call, sandbox, workspace } = scene
  const inside = scene.hosted ? byAgent(scene) : byUs(scene)
  const written = call.writes.find((path) => isInside(path, workspace))
  if (sandbox.workspace !== "read-only" || written === undefined) return inside
  const profile = `The sandbox profile "${sandbox.profile}"`
  const reason = `${profile} lets ${call.tool} only read the workspace, and it changes ${written}`
  return {
    ...inside,
    objections: [
      denial(
        "sandbox.readOnly",
        `sandbox profile ${sandbox.profile}`,
        reason,
        "choose another with agents.defaults.sandbox",
      ),
    ],
  }
}

function byUs({ call }: Scene): Place {
  const reason = `${call.tool} runs in the gateway, within its bounds`
  return { placement: { type: "inside" }, reason, objections: [] }
}

/** An external agent acts with the rights of its own process: nothing of ours stands between it and the machine but its sandbox. */
function byAgent({ call, hosted, sandbox }: Scene): Place {
  if (hosted?.confined && sandbox.available) {
    const reason = `the agent carries ${call.tool} out in the sandbox "${sandbox.profile}"`
    return { placement: { type: "sandbox", profile: sandbox.profile }, reason, objections: [] }
  }
  const reason = `the agent carries ${call.tool} out itself, outside the sandbox`
  return { placement: { type: "host", because: "agent" }, reason, objections: [] }
}

function execPlace(scene: Scene): Place {
  const { call, elevation, hosted, now, permissions, sandbox } = scene
  if (elevation && elevation.expiresAt > now) {
    const reason = `${call.tool} runs outside the sandbox: this session is elevated (${elevation.level})`
    const asks = elevation.level === "full" ? [] : [question("each", "elevated.ask", "session", reason)]
    return { placement: { type: "host", because: "elevated" }, reason, objections: asks }
  }
  // Policy wants commands in the sandbox. An agent that is in none runs them outside of it: in no mode without a human's word.
  if (hosted && !hosted.confined) {
    const place = byAgent(scene)
    const cure = "let the agent itself run confined, or elevate this session"
    return { ...place, objections: [question("host", "hosted.unconfined", "built in", place.reason, cure)] }
  }
  if (sandbox.available) {
    const reason = `${call.tool} runs in the sandbox "${sandbox.profile}"`
    return { placement: { type: "sandbox", profile: sandbox.profile }, reason, objections: [] }
  }
  const reason = `There is no sandbox on this machine for ${call.tool} (${sandbox.detail})`
  const cure = sandbox.install === undefined ? undefined : `install it with: ${sandbox.install}`
  // Approving everything is not consent to leave the sandbox: only a human who is asked for this one call gives that.
  if (permissions.mode !== "approve-reads") {
    const missing = denial("sandbox.missing", "built in", reason, cure)
    return { placement: { type: "none" }, reason, objections: [missing] }
  }
  const missing = question("host", "sandbox.missing", "built in", reason, cure)
  return { placement: { type: "host", because: "approved" }, reason, objections: [missing] }
}
