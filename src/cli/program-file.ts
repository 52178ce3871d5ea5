// The program that starts Pincer. Two folders up from here and from dist/app alike, so this must not lie deeper.
import { fileURLToPath } from "node:url"

/** bin/pincer.js of this Pincer. */
export const PROGRAM = fileURLToPath(new URL("../../bin/pincer.js", import.meta.url))
