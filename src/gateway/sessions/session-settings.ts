// What sessions.patch keeps of a session: levels with fixed values, and marks by which people sort and find it.

import { THINKING } from "../methods/params.ts"
import { SESSION_PERMISSIONS } from "../policy/rights.ts"

type Settings = Readonly<Record<string, string>>

/** The levels, and the values that each may have. */
export const SETTINGS = {
  thinkingLevel: THINKING,
  verboseLevel: ["off", "on", "full"],
  reasoningLevel: ["off", "on", "stream"],
  responseUsage: ["off", "tokens", "full"],
  sendPolicy: ["allow", "deny"],
  groupActivation: ["mention", "always"],
} as const

/** Marks that are words, and how long each may be. */
export const WORD_MARKS = { category: 64, icon: 64, color: 32, statusNote: 200 } as const

export const ATTENTION = ["hand", "key", "alert", "flag", "lock", "hourglass"] as const

/** What is left of a session's settings when levels and permissions are shown; others are parts of other things. */
export function shownSettings(settings: Settings): Record<string, unknown> {
  const shown: Record<string, unknown> = {}
  for (const name of Object.keys(SETTINGS)) if (settings[name] !== undefined) shown[name] = settings[name]
  const given = settings[SESSION_PERMISSIONS]
  return given === undefined ? shown : { ...shown, permissions: JSON.parse(given) as unknown }
}

export function shownMarks(settings: Settings): Record<string, unknown> {
  const shown: Record<string, unknown> = {}
  for (const name of [...Object.keys(WORD_MARKS), "attention"])
    if (settings[name] !== undefined) shown[name] = settings[name]
  const at = markedUnreadAt(settings)
  return {
    ...shown,
    pinned: settings["pinnedAt"] !== undefined,
    ...(settings["pinnedAt"] === undefined ? {} : { pinnedAt: Number(settings["pinnedAt"]) }),
    unread: at !== null,
    ...(at === null ? {} : { markedUnreadAt: at }),
  }
}

/** ms since 1970, null when it is not marked. */
export function markedUnreadAt(settings: Settings): number | null {
  const at = settings["markedUnreadAt"]
  return at === undefined ? null : Number(at)
}

/** The wish of a patch, as far as it is about marks. */
export interface MarkWish {
  category?: string | null
  icon?: string | null
  color?: string | null
  statusNote?: string | null
  attention?: (typeof ATTENTION)[number] | null
  pinned?: boolean
  unread?: boolean
}

/** The settings with these marks; null takes one away. What was pinned or unread before keeps its time. */
export function withMarks(settings: Settings, wish: MarkWish, now: number): Record<string, string> {
  const next = { ...settings }
  for (const name of [...Object.keys(WORD_MARKS), "attention"]) {
    const value: unknown = Reflect.get(wish, name)
    if (value === null) delete next[name]
    else if (typeof value === "string") next[name] = value
  }
  const timed = { pinnedAt: wish.pinned, markedUnreadAt: wish.unread }
  for (const [name, on] of Object.entries(timed)) {
    if (on === false) delete next[name]
    else if (on === true) next[name] ??= String(now)
  }
  return next
}
