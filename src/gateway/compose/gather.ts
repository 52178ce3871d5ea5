// Everything that doors may use, in one object.
import { hostname } from "node:os"
import { uuid } from "../../base/id.ts"
import { knownSecrets } from "../../config/known-secrets.ts"
import { RateLimits } from "../access/rate-limits.ts"
import { DeviceCodeDesk } from "../devices/device-codes.ts"
import { DeviceDesk } from "../devices/device-desk.ts"
import type { Parts } from "../parts.ts"
import { SessionNotices } from "../rpc/notices.ts"
import { shownStore } from "../shown.ts"
import { Presence } from "../status/presence.ts"
import { ownVersion } from "../version.ts"
import type { Ground } from "./ground.ts"
import type { Hands } from "./hands.ts"
import type { Minds } from "./minds.ts"
import type { Work } from "./work.ts"

export function gatherParts(ground: Ground, minds: Minds, hands: Hands, work: Work): Parts {
  const { clock, env, home, hub, live, loaded, log, redactor, store, token } = ground
  const { finder, localModels, models, standIn } = minds
  const { agentHost, desk, elevations, lendings, sandbox, servers } = hands
  const version = ownVersion()
  const startedAt = clock.now()
  const devices = new DeviceDesk({
    ...{ devices: store.devices, codes: store.deviceCodes, clock, redactor, log, audit: store.audit },
  })
  const { config: configPath, log: logPath } = loaded.paths
  return {
    ...{ devices, deviceCodes: new DeviceCodeDesk(devices), version, bootId: uuid(), startedAt },
    ...{ home, configPath, logPath, live, clock, log, redactor, store: shownStore(store, redactor), hub },
    ...{ finder, standIn, localModels, host: agentHost, catalogue: models.catalogue, token: token.token },
    ...{ approvals: desk, elevations, sandbox, lendings, servers, ...work },
    get configText() {
      return live.text
    },
    get config() {
      return live.current()
    },
    get agents() {
      return minds.agents()
    },
    readSecrets() {
      const secrets = [...knownSecrets({ config: live.current(), env, base: home })]
      for (const secret of secrets) redactor.add(secret)
      return secrets.length
    },
    presence: new Presence(clock, {
      ...{ host: hostname(), version, platform: process.platform, mode: "gateway", reason: "self", ts: startedAt },
    }),
    notices: new SessionNotices(),
    limits: new RateLimits(() => live.current().gateway.rateLimits, clock),
  }
}
