#!/bin/sh
# rootfs.sh BUILD_DIR ROOTFS: lays out what the image holds: the two programs, the libraries they load, the certificates
# they trust, and chown for the collector's init step. Nothing else: no shell, no package manager.
set -eu
build=$1
root=$2

rm -rf "$root"
mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/etc/nightjar" "$root/var/lib/dpkg/status.d" \
    "$root/var/log/pods" "$root/tmp"
# As on Debian, / has links into /usr: one copy of each library, whatever path a program asks for.
for dir in bin lib lib64; do
    mkdir -p "$root/usr/$dir"
    ln -sfn "usr/$dir" "$root/$dir"
done
chmod 1777 "$root/tmp"

# add_package FILE: what the package of FILE is called and which version it has, where image scanners look for it, and
# its licence.
add_package() {
    real=$(readlink -f "$1")
    package=$(dpkg-query -S "$real" "${real#/usr}" 2>/dev/null | head -n 1 | cut -d : -f 1) || true
    [ -n "$package" ] || { echo "rootfs.sh: $1 belongs to no Debian package" >&2; exit 1; }
    dpkg-query -s "$package" > "$root/var/lib/dpkg/status.d/$package"
    mkdir -p "$root/usr/share/doc/$package"
    cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/"
}

mkdir -p "$root/usr/share/doc/nightjar"
cp "$(dirname "$0")/../../LICENSE" "$root/usr/share/doc/nightjar/copyright"
for program in nightjar-agent nightjar-collector; do
    binary=$(find "$build" -name "$program" -type f -perm -u+x | head -n 1)
    [ -n "$binary" ] || { echo "rootfs.sh: $build holds no $program" >&2; exit 1; }
    install -m 0755 "$binary" "$root/usr/bin/$program"
    strip --strip-unneeded "$root/usr/bin/$program"
done
install -m 0755 "$(command -v chown)" "$root/usr/bin/chown"
add_package "$(command -v chown)"

for program in "$root"/usr/bin/*; do
    ldd "$program"
done > "$root/libraries"
if grep 'not found' "$root/libraries" >&2; then
    echo "rootfs.sh: a library is missing" >&2
    exit 1
fi
libraries=$(awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\/.*ld-linux/ {print $1}' "$root/libraries" | sort -u)
rm "$root/libraries"
for library in $libraries; do
    target="$root$library"
    case $library in /lib/* | /lib64/*) target="$root/usr$library" ;; esac
    mkdir -p "$(dirname "$target")"
    cp -L "$library" "$target"
    add_package "$library"
done

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
add_package /usr/sbin/update-ca-certificates
cp -L /etc/os-release "$root/etc/"
# Zones by name, for quiet hours and digests.
cp -RL /usr/share/zoneinfo "$root/usr/share/"
rm -rf "$root/usr/share/zoneinfo/posix" "$root/usr/share/zoneinfo/right"
add_package /usr/share/zoneinfo/Asia/Shanghai
printf 'root:x:0:0:root:/:/sbin/nologin\nnightjar:x:65532:65532:nightjar:/:/sbin/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\nnightjar:x:65532:\n' > "$root/etc/group"
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
