import assert from "node:assert/strict"
import { test } from "node:test"
import { installCommand } from "./install.ts"

test("the command that installs a package is the one of this distribution, or of the family that it names", () => {
  const rows: [release: string, command: string][] = [
    ['ID=debian\nVERSION_ID="12"', "sudo apt-get install -y bubblewrap"],
    ['NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"', "sudo apt-get install -y bubblewrap"],
    ["ID=fedora", "sudo dnf install -y bubblewrap"],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', "sudo dnf install -y bubblewrap"],
    ["ID=manjaro\nID_LIKE=arch", "sudo pacman -S --noconfirm bubblewrap"],
    ["ID=alpine", "sudo apk add bubblewrap"],
    ['ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"', "sudo zypper install -y bubblewrap"],
  ]
  for (const [release, command] of rows) assert.equal(installCommand("bubblewrap", release), command)
})
