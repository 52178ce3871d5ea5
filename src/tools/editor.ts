// What a client's editor lends to the turns that it starts: its files, unsaved changes included, and its terminals.

export interface Editor {
  /** Folders that it may be asked about; absolute, symlinks resolved. Outside of them its files are not used. */
  readonly roots: readonly string[]
  /** The text as the user sees it. Absent when it does not lend reading. Throws PincerError. */
  readText?(path: string, signal: AbortSignal): Promise<string>
  /** Creates the file. Absent when it does not lend writing. Throws PincerError. */
  writeText?(path: string, text: string, signal: AbortSignal): Promise<void>
  /** Absent when it does not lend terminals. Throws PincerError. */
  openTerminal?(command: EditorCommand, signal: AbortSignal): Promise<EditorTerminal>
}

export interface EditorCommand {
  command: string
  args: readonly string[]
  env: Readonly<Record<string, string>>
  cwd: string
  outputByteLimit: number
}

/** A terminal that the user sees. It must be released. */
export interface EditorTerminal {
  readonly id: string
  output(): Promise<{ output: string; truncated: boolean; exitCode?: number | null; signal?: string | null }>
  exited(signal: AbortSignal): Promise<{ exitCode: number | null; signal: string | null }>
  kill(): Promise<void>
  release(): Promise<void>
}
