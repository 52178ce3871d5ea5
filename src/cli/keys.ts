// Keys of a terminal, as whoever asks a person hears them.

export interface Keys {
  /** Calls `listener` for each key; the returned function ends it. */
  onKey(listener: (key: Key) => void): () => void
}

export interface Key {
  name?: string
  sequence?: string
  ctrl?: boolean
  meta?: boolean
  /** Part of a paste: counts as text, never as an answer. */
  pasted?: boolean
}
