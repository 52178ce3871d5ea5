// The command that installs a package on this system, word for word.
import { existsSync, readFileSync } from "node:fs"

const BY_FAMILY: readonly { ids: RegExp; command: string }[] = [
  { ids: /\b(?:debian|ubuntu)\b/, command: "sudo apt-get install -y" },
  { ids: /\b(?:fedora|rhel|centos)\b/, command: "sudo dnf install -y" },
  { ids: /\barch\b/, command: "sudo pacman -S --noconfirm" },
  { ids: /\balpine\b/, command: "sudo apk add" },
  { ids: /\bsuse\b|opensuse/, command: "sudo zypper install -y" },
]

/** `release`: text of /etc/os-release; read here when not given. */
export function installCommand(name: string, release: string = readRelease()): string {
  const ids = [...release.matchAll(/^(?:ID|ID_LIKE)="?([^"\n]*)"?$/gm)].map((match) => match[1]).join(" ")
  const family = BY_FAMILY.find((one) => one.ids.test(ids))
  return `${family?.command ?? "sudo apt-get install -y"} ${name}`
}

function readRelease(): string {
  return existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : ""
}
