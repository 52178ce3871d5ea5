// The sandbox of this machine: one back end by platform, the profiles of the configuration, and what a root daemon owes its folders.
import { PincerError } from "../base/errors.ts"
import { Bubblewrap } from "./bubblewrap.ts"
import { LateBackend } from "./late-backend.ts"
import type { UserIds } from "./own-files.ts"
import { giveFolder, ownerFor } from "./payload-user.ts"
import { findProfile, type ProfileSettings } from "./profile.ts"
import type { BackendReport, Confined, ConfineRequest, SandboxBackend, SandboxProfile } from "./sandbox.ts"

export interface SandboxSettings {
  /** Profile of agents that name none. */
  profile: string
  profiles: Readonly<Record<string, ProfileSettings>>
  /** Who commands run as when Pincer is root and the folder is root's. */
  uid: number
  /** Where bubblewrap is, when it is not on the search path. */
  bwrap?: string | undefined
}

export interface SandboxPlace {
  /** The search path of the gateway. */
  path: string
  /** Absolute paths that stay absent whatever a profile says: Pincer's home. */
  hidden: readonly string[]
}

export interface Sandbox {
  /** Tries the back end for real, once. */
  report(): Promise<BackendReport>
  /** Throws NOT_FOUND, INVALID_PARAMS. */
  profile(name?: string): SandboxProfile
  /** Throws UNAVAILABLE with the install command when it cannot confine. */
  confine(request: Omit<ConfineRequest, "hidden">): Promise<Confined>
  /** A folder that Pincer made for commands to work in: given to whom they run as, when Pincer is root. */
  handOver(folder: string): void
  /** Whose a new file in this folder must be so that commands can change it; undefined: the daemon's, as it is made. */
  ownerFor(folder: string): UserIds | undefined
  close(): void
}

/** Throws INVALID_PARAMS for a profile that would open the sandbox, NOT_FOUND for one that is named and not there. */
export function checkProfiles(
  { profile, profiles }: Pick<SandboxSettings, "profile" | "profiles">,
  hidden: readonly string[],
  named: readonly (string | undefined)[] = [],
): void {
  for (const name of [profile, ...Object.keys(profiles), ...named])
    if (name !== undefined) findProfile(name, profiles, hidden)
}

/** Checks every profile. Throws as checkProfiles() does. The settings' profiles are looked up anew each time. */
export function openSandbox(settings: SandboxSettings, place: SandboxPlace): Sandbox {
  const profile = (name = settings.profile) => findProfile(name, settings.profiles, place.hidden)
  checkProfiles(settings, place.hidden)
  const backend = backendOf(settings, place)
  return {
    report: () => backend.check(),
    profile,
    confine: (request) => backend.confine({ ...request, hidden: place.hidden }),
    handOver: (folder) => giveFolder(folder, settings.uid),
    ownerFor,
    close: () => backend.close(),
  }
}

interface BackendRow {
  platform: NodeJS.Platform
  open(settings: SandboxSettings, place: SandboxPlace): SandboxBackend
}

export const BACKENDS: readonly BackendRow[] = [
  {
    platform: "linux",
    open: ({ bwrap, uid }, { path }) => new Bubblewrap({ uid, path, ...(bwrap === undefined ? {} : { bwrap }) }),
  },
  {
    platform: "darwin",
    open: (_settings, { path }) =>
      new LateBackend("seatbelt", async () => new (await import("./seatbelt.ts")).Seatbelt({ path })),
  },
]

/** Where there is no back end everything is refused. */
export function backendOf(
  settings: SandboxSettings,
  place: SandboxPlace,
  platform: NodeJS.Platform = process.platform,
): SandboxBackend {
  const row = BACKENDS.find((one) => one.platform === platform)
  if (row) return row.open(settings, place)
  const detail = `there is no sandbox for ${platform}: run Pincer on Linux (also in WSL 2) or macOS`
  return {
    name: "none",
    check: async () => ({ backend: "none", available: false, detail, facts: [], warnings: [] }),
    confine: async () => {
      throw new PincerError("UNAVAILABLE", `The sandbox cannot be used, so nothing was run: ${detail}`, {
        retryable: false,
      })
    },
    close: () => undefined,
  }
}
