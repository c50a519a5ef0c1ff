#!/usr/bin/env bash
# Builds Nightjar's image with buildah from Debian packages alone: no Docker engine and no registry of images.
#   deploy/image/build.sh [--output FILE.tar] [--tag localhost/nightjar:VERSION]
# The result is an OCI archive:
#   ctr -n k8s.io images import nightjar.tar          containerd
#   buildah pull oci-archive:nightjar.tar             CRI-O and Podman (shared storage)
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
version=$(sed -n 's/^project(nightjar VERSION \([0-9.]*\).*/\1/p' "$source_dir/CMakeLists.txt")
output=nightjar.tar
tag=localhost/nightjar:$version
while [ $# -gt 0 ]; do
    case $1 in
        --output) output=${2:?--output FILE.tar}; shift 2 ;;
        --tag) tag=${2:?--tag NAME:TAG}; shift 2 ;;
        -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "build.sh: unknown argument '$1' (try --help)" >&2; exit 64 ;;
    esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$(id -u)" = 0 ]; then
    mapfile -t wanted < "$here/build-packages.txt"
    wanted+=(buildah)
    missing=()
    for package in "${wanted[@]}"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        echo "installing ${missing[*]}" >&2
        apt-get update -qq >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
    fi
fi

cmake --log-level=NOTICE -S "$source_dir" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DNJ_TESTS=OFF >&2
cmake --build "$work/build" >&2
"$here/rootfs.sh" "$work/build" "$work/rootfs"

# vfs needs no kernel support: it works inside containers and small virtual machines too.
store=(--root "$work/store" --runroot "$work/run" --storage-driver vfs)
container=$(buildah "${store[@]}" from scratch)
buildah "${store[@]}" copy --quiet "$container" "$work/rootfs" / >&2
mkdir "$work/data"
buildah "${store[@]}" copy --quiet --chown 65532:65532 "$container" "$work/data" /var/lib/nightjar >&2
buildah "${store[@]}" config --user 65532:65532 --cmd '["/usr/bin/nightjar-collector","--help"]' \
    --env PATH=/usr/bin --label "org.opencontainers.image.title=nightjar" \
    --label "org.opencontainers.image.version=$version" "$container"
buildah "${store[@]}" commit --quiet "$container" "$tag" >&2
rm -f "$output"
buildah "${store[@]}" push --quiet "$tag" "oci-archive:$output:$tag" >&2
echo "$output: $tag, $(du -h "$output" | cut -f1)"
