#!/usr/bin/env bash
# Installs what is missing (Debian 12, as root), builds Nightjar, and plays six recorded minutes of a real Kubernetes cluster
# through the real agent and collector: what crashed, what its log said, what WeCom was told.
#
#   ./deploy/demo.sh                  shows it as it goes, then stays up to be looked at (until Ctrl-C, on a terminal)
#   ./deploy/demo.sh --once           as fast as it can, then a summary
#   ./deploy/demo.sh --once --json    likewise; one JSON object on stdout, everything else on stderr
#
#   --recording DIR    another recording of the same layout (tests/recordings/README.md)
#   --language zh|en   of the messages (zh)
#   --speed N          recorded seconds in one second
#   --timeout S        gives up after so many real seconds (300)
#   --help
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")

for argument in "$@"; do
    case $argument in -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
done

install_packages() {
    local packages missing=() package
    mapfile -t packages < "$here/image/build-packages.txt"
    # Node.js and a compiler may have come another way.
    command -v node >/dev/null || packages+=(nodejs)
    for package in "${packages[@]}"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "demo.sh: not root, so these are not installed: ${missing[*]}" >&2
        return 0
    fi
    echo "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

build() {
    local folder=$root/build/demo log
    log=$folder/build.log
    mkdir -p "$folder"
    echo "building Nightjar in $folder"
    if ! { cmake -S "$root" -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DNJ_TESTS=OFF &&
        cmake --build "$folder"; } >"$log" 2>&1; then
        tail -n 40 "$log"
        echo "demo.sh: the build failed; all of it is in $log"
        return 1
    fi
}

{
    install_packages
    build
} >&2

exec node "$here/demo/main.js" --build "$root/build/demo" "$@"
