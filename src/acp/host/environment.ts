// The environment of an external agent: the few variables that any program needs, what is known to help this agent, and what the owner
// gave it. Never the gateway's own: its token and the keys of model services reach an agent only when its configuration says so.
import type { AgentQuirks } from "./known-agent.ts"

/** Taken from the gateway's environment where they are set; everything else stays behind. */
const TAKEN = [
  ...["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "COLORTERM"],
  ...["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"],
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"],
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"],
  ...["SystemRoot", "SystemDrive", "ComSpec", "PATHEXT", "TEMP", "TMP", "APPDATA", "LOCALAPPDATA", "USERPROFILE"],
]

const USUAL: Readonly<Record<string, string>> = { PATH: "/usr/local/bin:/usr/bin:/bin", LANG: "C.UTF-8", TERM: "dumb" }

/** The mark that this process and all that it starts carry, so that they are found again. */
export const MARK = "PINCER_AGENT_MARK"

export interface EnvironmentInput {
  gateway: Readonly<Record<string, string | undefined>>
  root: boolean
  quirks: AgentQuirks
  /** What the configuration says; it wins. */
  given: Readonly<Record<string, string>>
}

export function agentEnvironment({ gateway, given, quirks, root }: EnvironmentInput): Record<string, string> {
  const taken = TAKEN.flatMap((name) => {
    const value = gateway[name]
    return value === undefined || value === "" ? [] : [[name, value] as const]
  })
  const env = {
    ...USUAL,
    ...Object.fromEntries(taken),
    ...quirks.env,
    ...(root ? quirks.rootEnv : {}),
    ...given,
    PINCER_SHELL: "acp",
    OPENCLAW_SHELL: "acp",
  }
  return Object.fromEntries(Object.entries(env).filter(([, value]) => !value.includes("\0")))
}
