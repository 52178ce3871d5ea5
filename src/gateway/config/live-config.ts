// The contract between the running gateway and its configuration: what is valid now, and who takes a new value while running.
// A path that nobody has registered for needs a restart, and a reload says so.
import type { ConfigChange } from "../../config/changes.ts"
import type { Config } from "../../config/schema.ts"

export type { ConfigChange } from "../../config/changes.ts"

/**
 * Takes a new configuration while running. Called once per reload with the changes below its prefixes, after the whole new
 * configuration was found valid. `prepare` may refuse by throwing PincerError: nothing has been changed by then, and the old
 * configuration stays. `apply` puts the new one into effect; it must not throw for what `prepare` let through.
 */
export interface ConfigTaker {
  /** Top paths that it answers for, for example ["tools.mcpServers"]. */
  prefixes: readonly string[]
  prepare?(next: Config, changes: readonly ConfigChange[]): void | Promise<void>
  apply(next: Config, changes: readonly ConfigChange[]): void | Promise<void>
}

/** The one place that knows the configuration in force. `Parts.config` reads through it. */
export interface LiveConfig {
  /** The snapshot in force: immutable, replaced as a whole. */
  current(): Config
  /** Registers who takes changes below these prefixes; the returned function ends it. */
  take(taker: ConfigTaker): () => void
}
