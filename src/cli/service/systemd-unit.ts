// The text of a systemd unit. Hardened as far as the sandbox of the gateway's own commands allows: that needs user namespaces, mounts and
// a visible /proc, so nothing here may filter those (docs/gateway.md).
import { DAEMON_MEMORY } from "../daemon-memory.ts"
import { described, environmentFile, planLine, type ServicePlan, serviceCommand } from "./plan.ts"

export function systemdUnit(plan: ServicePlan): string {
  const system = plan.scope === "system"
  const lines = [
    `# Written by "pincer gateway install", which also updates it. Changes of your own: systemctl ${system ? "" : "--user "}edit`,
    `# ${planLine(plan)}`,
    "[Unit]",
    `Description=${specifiers(described(plan))}`,
    ...(system ? ["Wants=network-online.target", "After=network-online.target"] : []),
    "# Ten starts in two minutes that fail are enough.",
    "StartLimitIntervalSec=120",
    "StartLimitBurst=10",
    "",
    "[Service]",
    "Type=exec",
    `ExecStart=${serviceCommand(plan).map(word).join(" ")}`,
    ...(plan.user === undefined ? [] : [`User=${specifiers(plan.user)}`]),
    `WorkingDirectory=-${specifiers(plan.home)}`,
    `Environment=${setting("HOME", plan.userHome)} ${setting("PATH", plan.path)}`,
    `Environment=${Object.entries(DAEMON_MEMORY)
      .map(([name, value]) => setting(name, value))
      .join(" ")}`,
    "# Secrets that the configuration takes from the environment: NAME=value, mode 0600. Not needed for what it holds itself.",
    `EnvironmentFile=-${specifiers(environmentFile(plan.home))}`,
    "Restart=always",
    "RestartSec=3",
    "# Running turns may end; then whatever they left behind is ended with the gateway.",
    "TimeoutStopSec=45",
    "KillMode=mixed",
    "UMask=0077",
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    ...(system ? SYSTEM_ONLY : []),
    "",
    "[Install]",
    `WantedBy=${system ? "multi-user.target" : "default.target"}`,
  ]
  return `${lines.join("\n")}\n`
}

/** What a user's own manager may not do. */
const SYSTEM_ONLY = ["CapabilityBoundingSet=", "AmbientCapabilities=", "ProtectSystem=full", "KeyringMode=private"]

/** A word of ExecStart= (systemd.service(5), "Command lines"): no variable, no specifier, one argument. */
function word(text: string): string {
  return quoted(text).replaceAll("$", "$$$$")
}

function setting(name: string, value: string): string {
  return quoted(`${name}=${value}`)
}

function quoted(text: string): string {
  return `"${specifiers(text).replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`
}

function specifiers(text: string): string {
  return text.replaceAll("%", "%%")
}
