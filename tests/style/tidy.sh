#!/usr/bin/env bash
# tidy.sh BUILD_DIR FILE: clang-tidy for one file. What was clean stays clean as long as neither the file, its headers nor
# the rules change.
set -euo pipefail
build=$1
file=$2
stamps=$build/tidy

mkdir -p "$stamps"
preprocess() {
    clang -E -std=c17 -D_GNU_SOURCE -DNJ_VERSION='""' -DNJ_RECORDINGS='""' -I. -I"$build/proto" "$file" 2>&1
}
stamp=$stamps/$({ cat .clang-tidy; preprocess || true; } | sha256sum | cut -c1-40)
[ -e "$stamp" ] && exit 0
if ! clang-tidy -p "$build" --quiet "$file" 2>/dev/null; then
    echo "$file is not clean"
    exit 1
fi
: >"$stamp"
