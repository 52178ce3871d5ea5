// What a file is that is not text, judged by its first bytes and never by its name.

const MAGIC: readonly [prefix: string, type: string][] = [
  ["89504e470d0a1a0a", "image/png"],
  ["ffd8ff", "image/jpeg"],
  ["474946383761", "image/gif"],
  ["474946383961", "image/gif"],
  ["255044462d", "application/pdf"],
  ["504b0304", "application/zip"],
  ["504b0506", "application/zip"],
  ["1f8b", "application/gzip"],
  ["fd377a585a00", "application/x-xz"],
  ["28b52ffd", "application/zstd"],
  ["377abcaf271c", "application/x-7z-compressed"],
  ["7f454c46", "application/x-executable"],
  ["53514c69746520666f726d6174203300", "application/vnd.sqlite3"],
  ["4f676753", "audio/ogg"],
  ["494433", "audio/mpeg"],
  ["664c6143", "audio/flac"],
  ["fffe", "text in UTF-16"],
  ["feff", "text in UTF-16"],
]

/** Images that models take. */
export const SHOWN_IMAGES: readonly string[] = ["image/png", "image/jpeg", "image/gif", "image/webp"]

/** The type of a file that is not UTF-8 text, judged by its first bytes; undefined for text. */
export function binaryKind(start: Buffer): string | undefined {
  const hex = start.subarray(0, 16).toString("hex")
  const known = MAGIC.find(([prefix]) => hex.startsWith(prefix))
  if (known) return known[1]
  if (hex.startsWith("52494646") && start.subarray(8, 12).toString("latin1") === "WEBP") return "image/webp"
  if (start.subarray(4, 8).toString("latin1") === "ftyp") return "video/mp4"
  return start.includes(0) ? "application/octet-stream" : undefined
}
