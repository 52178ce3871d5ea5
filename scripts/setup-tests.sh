#!/usr/bin/env bash
# Brings what the tests need besides npm's packages: bubblewrap and setpriv, through which commands are confined. Where they cannot be had,
# or this machine allows no name spaces (many containers), it says so loudly and goes on: the tests that need them are reported as skipped.
set -uo pipefail

warn() {
  printf '\n!!! %s\n!!! The tests that run commands in the real sandbox are SKIPPED: they say nothing about the confinement.\n\n' "$1" >&2
}

[ "$(uname -s)" = Linux ] || { warn "This is $(uname -s), the sandbox that is tested is that of Linux."; exit 0; }

if ! command -v bwrap > /dev/null || ! command -v setpriv > /dev/null || ! command -v prlimit > /dev/null; then
  run=()
  if [ "$(id -u)" -ne 0 ]; then run=(sudo -n); fi
  if command -v apt-get > /dev/null && "${run[@]}" true 2> /dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    "${run[@]}" apt-get update -qq
    "${run[@]}" apt-get install -y -qq --no-install-recommends bubblewrap util-linux > /dev/null
  fi
fi

if ! command -v bwrap > /dev/null; then
  warn "bubblewrap is not installed, and could not be: apt-get install bubblewrap"
elif ! bwrap --ro-bind / / --unshare-pid --unshare-net --proc /proc true 2> /dev/null &&
  ! bwrap --ro-bind / / --unshare-user --unshare-pid --unshare-net --proc /proc true; then
  warn "bubblewrap is here, and this machine lets it make no name spaces (in a container: --privileged, or --security-opt seccomp=unconfined with --cap-add SYS_ADMIN)."
else
  printf 'sandbox for the tests: %s\n' "$(bwrap --version)"
fi
