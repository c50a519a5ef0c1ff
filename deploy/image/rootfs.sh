#!/bin/sh
# rootfs.sh BUILD_DIR ROOTFS: lays out what the image holds: the two programs, the libraries they load, the certificates
# they trust, and chown for the collector's init step. Nothing else: no shell, no package manager.
set -eu
build=$1
root=$2

rm -rf "$root"
mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/etc/nightjar" "$root/var/lib/nightjar" "$root/var/log/pods" "$root/tmp"
# As on Debian, / has links into /usr: one copy of each library, whatever path a program asks for.
for dir in bin lib lib64; do
    mkdir -p "$root/usr/$dir"
    ln -sfn "usr/$dir" "$root/$dir"
done
chmod 1777 "$root/tmp"

for program in nightjar-agent nightjar-collector; do
    binary=$(find "$build" -name "$program" -type f -perm -u+x | head -n 1)
    install -m 0755 "$binary" "$root/usr/bin/$program"
    strip --strip-unneeded "$root/usr/bin/$program"
done
install -m 0755 "$(command -v chown)" "$root/usr/bin/chown"

for program in "$root"/usr/bin/*; do
    ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\// {print $1}'
done | sort -u | while read -r library; do
    target="$root$library"
    case $library in /lib/* | /lib64/*) target="$root/usr$library" ;; esac
    mkdir -p "$(dirname "$target")"
    cp -L "$library" "$target"
done

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'root:x:0:0:root:/:/sbin/nologin\nnightjar:x:65532:65532:nightjar:/:/sbin/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\nnightjar:x:65532:\n' > "$root/etc/group"
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
chown -R 65532:65532 "$root/var/lib/nightjar"
