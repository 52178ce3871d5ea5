// The contract of the table of known agents: what must be known of an external agent to find, start and treat it. Data only.

export interface KnownAgent {
  /** Also the id of the agent that needs no configuration: a-z, 0-9 and "-". */
  name: string
  /** As people call it. */
  title: string
  /** Program, looked for on PATH, and its arguments. */
  command: readonly [string, ...string[]]
  /** npm packages whose program of that name is tried first, the newest name first. */
  packages?: readonly AgentPackage[]
  /** Files in the user's home, one of which exists once somebody has logged in. */
  login?: readonly string[]
  /** One line that installs it, to be typed by a person. */
  install: string
  quirks: AgentQuirks
}

export interface AgentPackage {
  name: string
  /** The key in the package's `bin`. */
  bin: string
}

export interface AgentQuirks {
  /** Longest wait for the answer to initialize, ms, where the usual one does not fit. */
  startMs?: number
  /** Longest wait for a new session, ms. */
  sessionMs?: number
  /** Pause between the end of its input and the first signal when it is ended, ms. */
  closeMs?: number
  /** It talks only to clients that it knows by name. */
  clientName?: string
  /** Added to its environment; what the configuration says wins. */
  env?: Readonly<Record<string, string>>
  /** Added when the gateway runs as root. */
  rootEnv?: Readonly<Record<string, string>>
}
