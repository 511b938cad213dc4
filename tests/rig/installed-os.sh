#!/bin/sh
# installed-os.sh - builds the disk image of a small installed system: a PC's boot
# sector, SYSLINUX on a FAT partition, a kernel and an initramfs (installed-init).
# It needs neither root nor a loop device.
#
#   installed-os.sh --out DIR --name NAME [--cache DIR] [--mib N]
#
# DIR gets NAME.img (32 MiB), NAME.img.gz, NAME.img.xz, NAME.img.zst and NAME.sha256
# (the checksums of all four). NAME is what http://BOARD/installed answers.
# Packages: see packages.txt.

set -eu
rig=$(cd "$(dirname "$0")" && pwd)
build=$rig/../../init-scripts/live-image/build.sh
out='' name='' cache='' mib=32
while [ $# -ge 2 ]; do
    case $1 in
    --out) out=$2 ;;
    --name) name=$2 ;;
    --cache) cache=$2 ;;
    --mib) mib=$2 ;;
    *) break ;;
    esac
    shift 2
done
if [ $# != 0 ] || [ -z "$out" ] || [ -z "$name" ]; then
    echo "usage: installed-os.sh --out DIR --name NAME [--cache DIR] [--mib N]" >&2
    exit 2
fi
mbr=/usr/lib/syslinux/mbr/mbr.bin
PATH=$PATH:/sbin:/usr/sbin
for need in mkfs.vfat:dosfstools mcopy:mtools syslinux:syslinux xz:xz-utils zstd:zstd; do
    command -v "${need%%:*}" >/dev/null || {
        echo "installed-os.sh: missing tool ${need%%:*}: install the Debian package ${need#*:}" >&2
        exit 1
    }
done
[ -r "$mbr" ] || {
    echo "installed-os.sh: missing $mbr: install the Debian package syslinux-common" >&2
    exit 1
}
work=$(mktemp -d "${TMPDIR:-/tmp}/mozpool-os.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$out"

"$build" --arch amd64 --out "$work" --cache "${cache:-$work/cache}" --init "$rig/installed-init" --minimal
# A second archive behind the first one: the kernel unpacks both into one tree.
mkdir -p "$work/more/etc"
echo "$name" >"$work/more/etc/installed"
(cd "$work/more" && find . | cpio --quiet -o -H newc) | gzip -9n >>"$work/live/amd64/initrd.img"

# The partition begins at 1 MiB, as every partitioning tool of today has it.
image=$work/$name.img
truncate -s "${mib}M" "$image"
dd if="$mbr" of="$image" bs=440 count=1 conv=notrunc status=none
# little_endian N: four bytes for printf.
little_endian() { printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
# One entry: active, FAT16 by LBA (0x0e), from sector 2048 on; then the signature.
# shellcheck disable=SC2059 # the octal bytes are the format
printf "\200\376\377\377\016\376\377\377$(little_endian 2048)$(little_endian $(((mib - 1) * 2048)))" |
    dd of="$image" bs=1 seek=446 conv=notrunc status=none
printf '\125\252' | dd of="$image" bs=1 seek=510 conv=notrunc status=none
mkfs.vfat -F 16 -n INSTALLED --offset 2048 "$image" $(((mib - 1) * 1024)) >/dev/null
cat >"$work/syslinux.cfg" <<END
default installed
prompt 0
label installed
  kernel vmlinuz
  initrd initrd.img
  append console=ttyS0,115200 quiet panic=5
END
export MTOOLS_SKIP_CHECK=1
mcopy -i "$image@@1M" "$work/live/amd64/vmlinuz" "$work/live/amd64/initrd.img" "$work/syslinux.cfg" ::
syslinux --install --offset 1048576 "$image"

gzip -9nkf "$image"
xz -6kf -T1 "$image"
zstd -q -9 -kf "$image"
(cd "$work" && sha256sum "$name.img" "$name.img.gz" "$name.img.xz" "$name.img.zst" >"$name.sha256")
mv "$work/$name".* "$out/"
ls -l "$out/$name".*
