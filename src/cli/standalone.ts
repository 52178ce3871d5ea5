// A gateway inside this process. The only way in which the command line reaches above the configuration, and only when it is to
// start a program.
import { PincerError } from "../base/errors.ts"
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
  /** Loads the configuration anew; what is refused is in the log. */
  reload(): Promise<void>
  /** Turns that run at this moment. */
  running(): number
  /** To be called when nothing goes on: gives memory back. */
  rest(): void
  close(graceMs?: number): Promise<void>
}

export interface OwnGatewayOptions {
  env: Env
  flags: { home?: string; profile?: string; config?: string; host?: string; port?: number | string; token?: string }
  /** Where people read the log along. */
  terminal?: (line: string) => void
  /** The program that this process runs, and how it is started again in its own place. */
  program?: string
  restart?: (why: string) => void
  /**
   * What to do with a configuration that cannot be used: "refuse" (the default) throws; "stay-reachable" starts with the one that worked
   * last, or in safe mode after starts that failed.
   */
  onBadConfig?: "refuse" | "stay-reachable"
}

/** Starts one. Throws PincerError: bad config, home taken or unwritable, port taken. */
export async function openOwnGateway(options: OwnGatewayOptions): Promise<OwnGateway> {
  const gateway = await opened(options)
  return {
    url: gateway.url,
    token: gateway.parts.token,
    chosen: () => gateway.chosen(),
    suggestion: () => gateway.suggestion(),
    withoutSecrets: (text) => gateway.parts.redactor.text(text),
    warnings: gateway.warnings,
    async reload() {
      try {
        await gateway.parts.live.reload("signal")
      } catch (error) {
        // The service has told the log and everybody who listens.
        if (!(error instanceof PincerError)) gateway.parts.log.error({ err: error }, "The configuration was not loaded")
      }
    },
    running: () => gateway.parts.lanes.counts().running,
    rest: () => gateway.parts.store.rest(),
    close: (graceMs) => gateway.close(graceMs),
  }
}

async function opened({ onBadConfig, ...options }: OwnGatewayOptions) {
  if (onBadConfig === "stay-reachable") return (await import("../gateway/config/boot.ts")).bootGateway(options)
  return (await import("../gateway/compose.ts")).openGateway(options)
}
