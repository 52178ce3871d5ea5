// A question to the user that is more than yes or no: a form of flat fields, or a page to visit (ACP and MCP elicitation).

export type UserQuestion =
  /** `schema`: a flat JSON Schema object of strings, numbers, booleans and choices. Secrets are never asked for so. */
  | { type: "form"; message: string; schema: Record<string, unknown>; callId?: string }
  | { type: "url"; message: string; url: string; elicitationId: string; callId?: string }

export type UserAnswer =
  | { type: "accepted"; content: Record<string, unknown> }
  | { type: "declined" }
  /** Put off: nobody answered, or the turn ended. */
  | { type: "canceled" }
