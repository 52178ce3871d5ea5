// The program that starts Pincer. Two folders up from here and from dist/app alike, so this must not lie deeper.
import { fileURLToPath } from "node:url"

/** Set for a gateway that takes the place of another one: nobody is there who would see that it does not come up. */
export const STARTED_ANEW = "PINCER_STARTED_ANEW"

/** bin/pincer.js of this Pincer. */
export const PROGRAM = fileURLToPath(new URL("../../bin/pincer.js", import.meta.url))
