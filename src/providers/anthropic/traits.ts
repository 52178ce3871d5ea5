// What Claude models accept, by the version in their name: the service answers 400 to what a model no longer takes.
// Source: platform.claude.com/docs, migration guides for Claude 4.6, 4.7, 5 and 5.5 and "Extended thinking".

export interface Traits {
  /** How thinking is asked for: a token budget, an effort, or not at all. */
  thinking: "none" | "budget" | "adaptive"
  /** What "off" takes: nothing (it is the default), an explicit "disabled", or it cannot be turned off. */
  off: "default" | "disabled" | "never"
  /** Takes temperature and top_p. */
  sampling: boolean
  /** Takes effort level "xhigh"; before it, "max" was next after "high". */
  xhigh: boolean
  /** Takes tool_choice "any" and "tool". */
  forcedTools: boolean
  /** Takes output_config.format. */
  structured: boolean
  /** max_tokens when nobody names one: the field is required. */
  maxTokens: number
}

/** "claude-sonnet-4-5-20250929" -> 4.05, "claude-3-7-sonnet-latest" -> 3.07; undefined when the name holds none. */
export function versionOf(model: string): number | undefined {
  const match = /claude-(?:[a-z]+-)*(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)/.exec(model)
  if (!match) return undefined
  return Number(match[1]) + Number(match[2] ?? 0) / 100
}

export function traitsOf(model: string): Traits {
  if (!/claude/.test(model)) return { ...BUDGET, maxTokens: 8_192 }
  const version = versionOf(model) ?? LATEST
  if (version < 3.05) return { ...BUDGET, thinking: "none", maxTokens: 4_096 }
  if (version < 3.07) return { ...BUDGET, thinking: "none", maxTokens: 8_192 }
  if (version < 4.05) return BUDGET
  if (version < 4.06) return { ...BUDGET, structured: true, maxTokens: 64_000 }
  const adaptive: Traits = { ...BUDGET, thinking: "adaptive", structured: true, maxTokens: 64_000 }
  if (version < 4.07) return adaptive
  if (version < 5) return { ...adaptive, sampling: false, xhigh: true }
  if (version < 5.01) return { ...adaptive, sampling: false, xhigh: true, off: "disabled" }
  return { ...adaptive, sampling: false, xhigh: true, off: "never", forcedTools: false }
}

const LATEST = 99
const BUDGET: Traits = {
  thinking: "budget",
  off: "default",
  sampling: true,
  xhigh: false,
  forcedTools: true,
  structured: false,
  maxTokens: 32_000,
}
