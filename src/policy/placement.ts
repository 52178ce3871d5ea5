// Where a call runs: tools of the daemon in the daemon, programs in the sandbox, or on the host when the session is elevated or a human
// says so for this one call. Without a working sandbox nothing runs by itself (fails closed).
import type { Placement } from "../protocol/decision.ts"
import type { Finding } from "./finding.ts"
import { isInside } from "./places.ts"
import type { Scene } from "./scene.ts"

export interface Place {
  placement: Placement
  reason: string
  deny?: Finding
  ask?: Finding
}

export function placementOf(scene: Scene): Place {
  const { call, sandbox, workspace } = scene
  if (call.class === "exec") return execPlace(scene)
  const inside: Place = { placement: { type: "inside" }, reason: "it runs within its bounds in the gateway" }
  const written = call.writes.find((path) => isInside(path, workspace))
  if (sandbox.workspace !== "read-only" || written === undefined) return inside
  return {
    ...inside,
    deny: {
      rule: "sandbox.readOnly",
      source: `sandbox profile ${sandbox.profile}`,
      reason: `The sandbox profile "${sandbox.profile}" lets ${call.tool} only read the workspace, and it changes ${written}: choose another with agents.defaults.sandbox`,
    },
  }
}

function execPlace(scene: Scene): Place {
  const { call, elevation, now, sandbox } = scene
  if (elevation && elevation.expiresAt > now) {
    const host: Place = { placement: { type: "host", because: "elevated" }, reason: "the session is elevated" }
    if (elevation.level === "full") return host
    const reason = `${call.tool} runs outside the sandbox: this session is elevated (${elevation.level})`
    return { ...host, ask: { rule: "elevated.ask", source: "session", reason } }
  }
  if (sandbox.available)
    return {
      placement: { type: "sandbox", profile: sandbox.profile },
      reason: `it runs in the sandbox "${sandbox.profile}"`,
    }
  const cure = sandbox.install === undefined ? sandbox.detail : `${sandbox.detail}; install it: ${sandbox.install}`
  const missing = `There is no sandbox on this machine for ${call.tool} (${cure})`
  const { mode } = scene.permissions
  // Approving everything is not consent to leave the sandbox.
  if (mode !== "approve-reads")
    return {
      placement: { type: "none" },
      reason: missing,
      deny: { rule: "sandbox.missing", source: "built in", reason: missing },
    }
  return {
    placement: { type: "host", because: "approved" },
    reason: missing,
    ask: {
      rule: "sandbox.missing",
      source: "built in",
      reason: `${missing}: it would run on this machine with your rights`,
    },
  }
}
