#!/usr/bin/env bash
# What the tests use beyond npm: bubblewrap, for the tests that run commands in the real sandbox. Installed through apt-get where that is
# possible; where it is not, those tests are skipped and say so.
set -euo pipefail
if command -v bwrap >/dev/null; then
  exit 0
fi
if [ "$(uname)" = Linux ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  if apt-get install -y --no-install-recommends bubblewrap util-linux >/dev/null 2>&1 ||
    { apt-get update >/dev/null && apt-get install -y --no-install-recommends bubblewrap util-linux >/dev/null; }; then
    exit 0
  fi
fi
echo "!!! bubblewrap is not installed: tests of the real sandbox will be SKIPPED (install it: sudo apt-get install bubblewrap)" >&2
