// Being found on the local network (mDNS): off unless asked for. What is announced is read by everybody there, so it holds no secret.
import { z } from "zod"

export const discovery = z.strictObject({
  mdns: z
    .strictObject({
      enabled: z.boolean().default(false),
      /** Default: the machine's name. */
      name: z.string().trim().min(1).max(60).optional(),
      /** A proxy in front that speaks TLS: its port is announced in place of the gateway's own. */
      tls: z
        .strictObject({
          port: z.number().int().min(1).max(65535),
          /** SHA-256 of its certificate in hexadecimal: a hint for people who compare. */
          sha256: z
            .string()
            .regex(/^[0-9a-f]{2}(:?[0-9a-f]{2}){31}$/i, "must be a SHA-256 in hexadecimal, with or without colons")
            .optional(),
        })
        .optional(),
    })
    .prefault({}),
})
