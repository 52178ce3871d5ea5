// Changes of sessions that are no turn events (renamed, tagged, deleted), for whoever lists sessions.

export type SessionNotice =
  /** `changed`: what of it, in words of sessions.patch, or "created", "reset"; absent: its settings. */
  { type: "updated"; key: string; changed?: readonly string[] } | { type: "deleted"; key: string }

export class SessionNotices {
  readonly #listeners = new Set<(notice: SessionNotice) => void>()

  /** The returned function ends it. */
  on(listener: (notice: SessionNotice) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(notice: SessionNotice): void {
    for (const listener of this.#listeners) listener(notice)
  }
}
