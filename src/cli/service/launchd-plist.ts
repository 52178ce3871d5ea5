// The text of a launchd property list (launchd.plist(5)).
import { join } from "node:path"
import { planLine, type ServicePlan, serviceCommand } from "./plan.ts"

export function launchdLabel(suffix: string): string {
  return suffix === "" ? "dev.pincer.gateway" : `dev.pincer.gateway.${suffix}`
}

export function launchdPlist(plan: ServicePlan): string {
  const log = join(plan.home, "logs", "service.log")
  const entries: [string, string][] = [
    ["Label", string(launchdLabel(plan.suffix))],
    ["ProgramArguments", array(serviceCommand(plan))],
    ...(plan.user === undefined ? [] : [["UserName", string(plan.user)] as [string, string]]),
    ["WorkingDirectory", string(plan.home)],
    ["EnvironmentVariables", dictionary({ HOME: plan.userHome, PATH: plan.path })],
    ["RunAtLoad", "<true/>"],
    // Whatever ends it but a stop that was asked for.
    ["KeepAlive", "<dict><key>SuccessfulExit</key><false/></dict>"],
    ["ThrottleInterval", "<integer>5</integer>"],
    // Running turns may end before it is killed.
    ["ExitTimeOut", "<integer>45</integer>"],
    ["Umask", `<integer>${0o077}</integer>`],
    ["StandardOutPath", string(log)],
    ["StandardErrorPath", string(log)],
  ]
  const body = entries.map(([key, value]) => `  <key>${key}</key>\n  ${value}`).join("\n")
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- Written by "pincer gateway install", which also updates it. -->
<!-- ${planLine(plan)} -->
<plist version="1.0">
<dict>
${body}
</dict>
</plist>
`
}

function string(text: string): string {
  return `<string>${text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")}</string>`
}

function array(words: readonly string[]): string {
  return `<array>\n${words.map((one) => `    ${string(one)}`).join("\n")}\n  </array>`
}

function dictionary(values: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(values).map(([key, value]) => `    <key>${key}</key>${string(value)}`)
  return `<dict>\n${pairs.join("\n")}\n  </dict>`
}
