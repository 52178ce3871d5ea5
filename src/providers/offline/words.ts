// Judging words: what names a file, what stands for "here", what is only filler. In doubt a word names nothing.
import { giveBack, pieceOf, type Quoted } from "./quote.ts"

/** What the named blanks of a wording caught. */
export interface Caught {
  [blank: string]: string | undefined
}

/** A caught name: the quoted piece it stands for, else the words themselves. */
export function name(caught: string | undefined, quoted: Quoted): string | undefined {
  if (caught === undefined) return undefined
  const piece = pieceOf(caught, quoted)
  return piece ? piece.text : giveBack(caught.trim(), quoted)
}

/**
 * File content: a quoted or fenced piece to the letter; after a colon the rest of the line; else plain words, as long as nothing in
 * them could be the next thing to do.
 */
export function contentOf(caught: Caught, quoted: Quoted): string | undefined {
  const text = (caught.text ?? caught.quoted ?? "").trim()
  const piece = pieceOf(text, quoted)
  if (piece) return piece.text
  const mayGoOn = /[\ue000-\ue003;；,，。]|[.!?]\s|\s(?:and|then)\s|然后|接着/.test(text)
  if (text.includes("\n")) return undefined
  return text === "" || (caught.colon === undefined && mayGoOn) ? undefined : giveBack(text, quoted)
}

/** "a, b and c" -> [a, b, c]. */
export function items(text: string): string[] {
  return text
    .split(/\s*(?:,|，|、|\s(?:and|then|&)\s|和|与|以及|然后|再)\s*(?:\band\b\s*|\bthen\b\s*)?/u)
    .map((item) => item.trim().replace(/^the (?:file )?/i, ""))
    .filter((item) => item !== "")
}

const KNOWN_FILES =
  /^(?:README|LICEN[CS]E|CHANGELOG|CONTRIBUTING|NOTICE|AUTHORS|Makefile|Dockerfile|Procfile|Gemfile|Rakefile|CODEOWNERS)$/

/** Whether words name a file: quoted, with a slash or an extension, or well known. `named`: the user said that it is a file. */
export function isPath(item: string, quoted: Quoted, named: boolean): boolean {
  if (pieceOf(item, quoted)) return true
  if (/\s/.test(item) || isFiller(item)) return false
  return named || /^[~.]{0,2}\/\S|\w\/\w/.test(item) || looksLikeFile(item)
}

export function looksLikeFile(item: string): boolean {
  return KNOWN_FILES.test(item) || /^\.[\w-]+$/.test(item) || /[^./\s]\.[A-Za-z][A-Za-z0-9]{0,7}$/.test(item)
}

export function isUrl(text: string): boolean {
  return /^https?:\/\//i.test(text)
}

export function isHere(path: string): boolean {
  return /^(?:\.\/?|here|there|code|files|project|codebase|repo|repository|workspace|当前目录|当前|这里|本目录|目录|文件夹|项目)$/i.test(
    path,
  )
}

/** Words that stand for something said elsewhere: nothing to act on. */
export function isFiller(text: string): boolean {
  return /^(?:it|this|that|these|those|them|me|you|us|him|her|a|an|the|my|your|something|anything|everything|some|any|all|one|more|out|up|files?|folders?|what|什么|它|这个|那个|这|那|一下|文件|东西|内容)$/i.test(
    text.trim(),
  )
}

/** A file pattern, or undefined when the words are none. A pattern without a slash is meant for every depth. */
export function globPattern(given: string, named: boolean, saidFiles: boolean): string | undefined {
  if (/\s/.test(given) || isFiller(given)) return undefined
  const anywhere = (pattern: string) => (pattern.includes("/") ? pattern : `**/${pattern}`)
  if (/[*?]/.test(given)) return /[\w.]/.test(given) ? anywhere(given) : undefined
  if (/^\.[A-Za-z0-9]+$/.test(given) && saidFiles) return `**/*${given}`
  if (named && /^[\w@.+-]+$/.test(given)) return anywhere(given)
  return undefined
}

export function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")
}

export function parseArgs(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}
