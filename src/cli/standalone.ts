// A gateway inside this process. The only way in which the command line reaches above the configuration, and only when it is to
// start a program.
import type { Env } from "../config/paths.ts"

/** What the command line needs of a gateway that it started itself. */
export interface OwnGateway {
  /** "http://127.0.0.1:18789" */
  url: string
  token: string | undefined
  /** Which model answers, why, and how to change it: one line. */
  chosen(): string
  /** Who could answer better than the offline model, if that is what answers. */
  suggestion(): Promise<string | undefined>
  /** A text as it may be written down: without the secrets that this gateway knows. */
  withoutSecrets(text: string): string
  warnings: string[]
  /** Turns that run at this moment. */
  running(): number
  close(graceMs?: number): Promise<void>
}

export interface OwnGatewayOptions {
  env: Env
  flags: { home?: string; profile?: string; config?: string; host?: string; port?: number | string; token?: string }
  /** Where people read the log along. */
  terminal?: (line: string) => void
}

/** Starts one. Throws PincerError: bad config, home taken or unwritable, port taken. */
export async function openOwnGateway(options: OwnGatewayOptions): Promise<OwnGateway> {
  const { openGateway } = await import("../gateway/compose.ts")
  const gateway = await openGateway(options)
  return {
    url: gateway.url,
    token: gateway.parts.token,
    chosen: () => gateway.chosen(),
    suggestion: () => gateway.suggestion(),
    withoutSecrets: (text) => gateway.parts.redactor.text(text),
    warnings: gateway.warnings,
    running: () => gateway.parts.lanes.counts().running,
    close: (graceMs) => gateway.close(graceMs),
  }
}
