// The one place where secrets are taken out of text: by value (what the configuration and the environment hold) and by pattern (what
// looks like a key). Logs, events, errors, the audit, transcripts shown to clients and diagnostics all go through it.

export interface Redactor {
  /** The text with every secret replaced by "[redacted]". */
  text(text: string): string
  /** A deep copy of a JSON value with every string so treated; keys that name secrets lose their value. The same object when nothing changed. */
  value<T>(value: T): T
  /** For text that comes in pieces: what may be shown so far; `end()` gives the rest. A secret split over pieces is found. */
  stream(): { push(piece: string): string; end(): string }
  /** Adds a secret by value from now on (shorter than 6 characters are not taken). */
  add(secret: string): void
}
