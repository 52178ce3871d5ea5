// pincer device: who may connect to the gateway, and this machine as a device of another one.
import type { DeviceFlags } from "../device.ts"
import type { JoinFlags } from "../device-join.ts"
import type { PairFlags } from "../device-pair.ts"
import type { CommandGroup } from "./group.ts"

export const device: CommandGroup = (program, cli) => {
  const group = program
    .command("device")
    .alias("devices")
    .summary("pair devices, and take back what they may")
    .description("Devices that may connect to the gateway: pair them, change what they may, put them out.")
  group
    .command("list")
    .alias("ls")
    .description("Lists devices that wait, open codes, and devices that are paired.")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer device list")
    .action(async (flags: DeviceFlags) => (await import("../device.ts")).listDevices(cli(), flags))
  group
    .command("pair")
    .description("Makes a code for a new device, shows it, and waits until the device has come in.")
    .option("--name <text>", "what the device will be called")
    .option(
      "--url <address>",
      "where the device reaches this gateway; default: gateway.publicUrl, or what it listens on",
    )
    .option(
      "--scopes <words>",
      "exactly these rights: read, write, admin, approvals, pairing, all; several with commas",
    )
    .option("--limited", "read, write and approvals")
    .option("--node", "a node: commands to be called, no rights")
    .option("--letters", "eight letters to be typed, valid for an hour, instead of a setup code")
    .option("--no-qr", "no picture")
    .option("--no-wait", "print the code and go")
    .option("--json", "print the code, then the outcome, one JSON object a line")
    .addHelpText("after", "\nExample:\n  pincer device pair --url wss://gateway.example --limited --name Laptop")
    .action(async (flags: PairFlags) => (await import("../device-pair.ts")).pairDevice(cli(), flags))
  group
    .command("join")
    .argument("<code>", "a setup code, eight letters with --server, or an address with --token-file")
    .description(
      "Makes this machine a device of another gateway, with a key and a token of its own for later commands.",
    )
    .option("--name <text>", "what it is called there; default: the name of this machine")
    .option("--scopes <words>", "rights to ask for: read, write, admin, approvals, pairing, all; several with commas")
    .option("--no-default", "do not make it the gateway that commands of this home talk to")
    .option("--no-wait", "when somebody has to approve first, say so and go")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer device join ABCD-EFGH --server wss://gateway.example")
    .action(async (code: string, flags: JoinFlags) =>
      (await import("../device-join.ts")).joinGateway(cli(), code, flags),
    )
  for (const [verb, text] of [
    ["approve", "Lets a waiting device in."],
    ["reject", "Turns a waiting device away, or withdraws a code."],
  ] as const)
    group
      .command(verb)
      .argument("[request]", "its request, or the beginning of it; default: the only one that waits")
      .description(text)
      .option("--json", "print the outcome as JSON")
      .addHelpText("after", `\nExample:\n  pincer device ${verb} 019d527d`)
      .action(async (request: string | undefined, flags: DeviceFlags) => {
        const { approveDevice, rejectDevice } = await import("../device.ts")
        await (verb === "approve" ? approveDevice : rejectDevice)(cli(), request, flags)
      })
  changing(group, cli)
}

function changing(group: Parameters<CommandGroup>[0], cli: Parameters<CommandGroup>[1]): void {
  const on = (verb: string, text: string, example: string) =>
    group
      .command(verb)
      .argument("<device>", "its id, the beginning of it, or its name")
      .description(text)
      .option("--json", "print the outcome as JSON")
      .addHelpText("after", `\nExample:\n  pincer device ${example}`)
  on("remove", "Forgets a device: it is disconnected and must pair anew.", "remove Laptop")
    .alias("rm")
    .action(async (name: string, flags: DeviceFlags) => (await import("../device.ts")).removeDevice(cli(), name, flags))
  on("rename", "Gives a device a name of your own.", "rename 3fa2 Kitchen tablet")
    .argument("<name...>", "the name")
    .action(async (name: string, words: string[], flags: DeviceFlags) =>
      (await import("../device.ts")).renameDevice(cli(), name, words, flags),
    )
  on("scopes", "Sets what a device may do; what it loses counts from its next call.", "scopes Laptop read,approvals")
    .argument("<words>", "read, write, admin, approvals, pairing, all or none; several with commas")
    .option("--role <name>", "operator or node; default: operator")
    .action(async (name: string, words: string, flags: DeviceFlags) =>
      (await import("../device.ts")).setDeviceScopes(cli(), name, words, flags),
    )
  on("rotate", "Makes a new token for a device; the old one ends.", "rotate Laptop --show")
    .option("--role <name>", "operator or node; default: operator")
    .option("--scopes <words>", "fewer rights than before")
    .option("--show", "print the new token, this once")
    .action(async (name: string, flags: DeviceFlags & { scopes?: string; show?: boolean }) =>
      (await import("../device.ts")).rotateToken(cli(), name, flags),
    )
  on("revoke", "Ends the tokens of a device; it stays paired.", "revoke Laptop")
    .option("--role <name>", "only this one: operator or node")
    .action(async (name: string, flags: DeviceFlags) => (await import("../device.ts")).revokeToken(cli(), name, flags))
}
