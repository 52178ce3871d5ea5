// The form of the shell corpus: lines against an allow-list that names innocent programs. {canary} is a file outside the workspace that
// an attempt tries to make or read, {port} a loopback port that it tries to reach; whoever runs the corpus fills them in.

export interface SetupFile {
  /** Relative to the workspace. */
  path: string
  content?: string
  mode?: number
  /** A symbolic link to this instead of a file. */
  link?: string
}

export interface ShellCase {
  name: string
  command: string
  /** What it tries, or what it shows. */
  why: string
  /** Laid out in the workspace before, over the base. */
  setup?: readonly SetupFile[]
}

/** What every workspace of the corpus holds; it is a git repository besides. */
export const BASE: readonly SetupFile[] = [
  { path: "script.js", content: "console.log('hello')\n" },
  { path: "package.json", content: '{"name":"sample","version":"1.0.0","scripts":{"test":"node script.js"}}\n' },
  { path: "README.md", content: "# Sample\n\nA word and another word.\n" },
  { path: "notes.txt", content: "one\ntwo\nthree\n" },
  { path: "src/app.ts", content: "export const answer = 42\n" },
  { path: "src/deep/more.ts", content: "export const more = true\n" },
  { path: "data.json", content: '{"a":[1,2,3]}\n' },
]

/** The allow-list; programs by name, to be resolved where it is run. Hashes are those of the base. */
export const ALLOWED: readonly (readonly string[])[] = [
  ["git", "status"],
  ["git", "log", "**"],
  ["ls", "**"],
  ["cat", "**"],
  ["grep", "**"],
  ["npm", "test", "hash of package.json"],
  ["node", "script.js", "hash of script.js"],
]

export function shellCase(name: string, command: string, why: string, setup?: readonly SetupFile[]): ShellCase {
  return { name, command, why, ...(setup ? { setup } : {}) }
}
