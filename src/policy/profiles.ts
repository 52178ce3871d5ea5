// Ready-made lists: which tools a profile has, and which a sub-agent goes without (protocol §12.1).

export type ToolProfile = "minimal" | "coding" | "messaging" | "full"

/** Tools of each profile; "full" has no list. */
export const PROFILES: Readonly<Record<Exclude<ToolProfile, "full">, readonly string[]>> = {
  minimal: ["session_status"],
  coding: ["group:fs", "group:runtime", "group:web", "group:sessions", "group:memory", "TodoWrite"],
  messaging: ["group:messaging", "sessions_list", "sessions_history", "sessions_send", "session_status", "TodoWrite"],
}

/** What a turn that another turn started goes without, unless the `subAgents` part of a policy gives it in `alsoAllow`. */
export const NOT_FOR_SUB_AGENTS: readonly string[] = [
  ...["sessions_list", "sessions_history", "sessions_send", "sessions_spawn", "session_status", "agents_list"],
  ...["gateway", "cron", "whatsapp_login", "memory_search", "memory_get"],
]
