// What the client said of itself: who it is and what it lends. Absent means that it does not.
import { type Fields, fieldsOf, textOf } from "./params.ts"

export interface ClientFacts {
  name: string
  readText: boolean
  writeText: boolean
  terminal: boolean
  form: boolean
  url: boolean
  notices: boolean
  /** Shows terminals of the agent that `_meta` tells of. */
  agentTerminals: boolean
}

export const UNKNOWN_CLIENT: ClientFacts = {
  name: "ACP client",
  readText: false,
  writeText: false,
  terminal: false,
  form: false,
  url: false,
  notices: false,
  agentTerminals: false,
}

export function clientOf(params: Fields): ClientFacts {
  const capabilities = fieldsOf(params["clientCapabilities"] ?? params["capabilities"])
  const info = fieldsOf(params["clientInfo"] ?? params["info"])
  const fs = fieldsOf(capabilities["fs"])
  const elicitation = fieldsOf(capabilities["elicitation"])
  const offers = (value: unknown) => value !== undefined && value !== null && value !== false
  const name = textOf(info["title"]) ?? textOf(info["name"])
  const version = textOf(info["version"])
  return {
    name:
      name === undefined ? UNKNOWN_CLIENT.name : `${name}${version === undefined ? "" : ` ${version}`}`.slice(0, 100),
    readText: fs["readTextFile"] === true,
    writeText: fs["writeTextFile"] === true,
    terminal: capabilities["terminal"] === true,
    form: offers(elicitation["form"]),
    url: offers(elicitation["url"]),
    notices: offers(fieldsOf(capabilities["session"])["notices"]),
    agentTerminals: fieldsOf(capabilities["_meta"])["terminal_output"] === true,
  }
}
