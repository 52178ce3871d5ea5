// What rooms see of logging. The gateway makes the real one (pino); tests hand in silentLogger. Never log per delta, never a secret.

export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  /** A logger that adds these fields to every line. */
  child(fields: object): Logger
}

function quiet(): void {
  return
}

export const silentLogger: Logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => silentLogger }
