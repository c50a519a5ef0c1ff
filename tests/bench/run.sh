#!/bin/sh
# Builds release binaries into build/bench and runs the benchmarks: ./tests/bench/run.sh [NAME...] [--json]; see --help.
set -eu
here=$(dirname "$0")
if ! command -v node >/dev/null; then
  if [ "$(id -u)" != 0 ]; then
    echo "bench: Node.js is missing; install the package nodejs, or run this as root" >&2
    exit 1
  fi
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends nodejs; } >&2
fi
exec node "$here/main.js" "$@"
