// Apart from the schema, so that a client that reads its token does not load what checks configurations.

/** Longest time that a command may take to print a secret. */
export const MAX_COMMAND_MS = 30_000
