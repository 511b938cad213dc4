#!/bin/sh
# installed-os.sh - builds the image of a small installed system: a kernel and an
# initramfs (installed-init) on FAT. It needs neither root nor a loop device.
#
#   installed-os.sh --out DIR --name NAME [--board pc|uboot] [--as "gz xz zst"]
#                   [--cache DIR] [--mib N]
#
# pc: a whole disk with a PC's boot sector, a partition and SYSLINUX (32 MiB).
# uboot: one partition for a card, whose boot partition stays, with
# extlinux/extlinux.conf (40 MiB).
# DIR gets NAME.img, it compressed as --as says (all three ways), and NAME.sha256
# (the checksums of each). NAME is what http://BOARD/installed answers.
# Packages: see packages.txt.

set -eu
rig=$(cd "$(dirname "$0")" && pwd)
build=$rig/../../init-scripts/live-image/build.sh
out='' name='' cache='' mib='' board=pc kinds='gz xz zst'
while [ $# -ge 2 ]; do
    case $1 in
    --out) out=$2 ;;
    --name) name=$2 ;;
    --cache) cache=$2 ;;
    --mib) mib=$2 ;;
    --board) board=$2 ;;
    --as) kinds=$2 ;;
    *) break ;;
    esac
    shift 2
done
case $board in
pc) arch=amd64 console=ttyS0,115200 mib=${mib:-32} ;;
uboot) arch=arm64 console=ttyAMA0,115200 mib=${mib:-40} ;;
*) out='' ;;
esac
if [ $# != 0 ] || [ -z "$out" ] || [ -z "$name" ]; then
    echo "usage: installed-os.sh --out DIR --name NAME [--board pc|uboot] [--as KINDS] [--cache DIR] [--mib N]" >&2
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
[ "$board" != pc ] || [ -r "$mbr" ] || {
    echo "installed-os.sh: missing $mbr: install the Debian package syslinux-common" >&2
    exit 1
}
work=$(mktemp -d "${TMPDIR:-/tmp}/mozpool-os.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$out"

"$build" --arch "$arch" --out "$work" --cache "${cache:-$work/cache}" --init "$rig/installed-init" --minimal
# A second archive behind the first one: the kernel unpacks both into one tree.
mkdir -p "$work/more/etc"
echo "$name" >"$work/more/etc/installed"
(cd "$work/more" && find . | cpio --quiet -o -H newc) | gzip -9n >>"$work/live/$arch/initrd.img"

image=$work/$name.img
truncate -s "${mib}M" "$image"
export MTOOLS_SKIP_CHECK=1
# little_endian N: four bytes for printf.
little_endian() { printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
# entry: what SYSLINUX and U-Boot boot alike but for the folder of their files.
entry() {
    cat <<END
default installed
prompt 0
label installed
  kernel $1vmlinuz
  initrd $1initrd.img
  append console=$console quiet panic=5
END
}
if [ "$board" = pc ]; then
    # The partition begins at 1 MiB, as every partitioning tool of today has it.
    dd if="$mbr" of="$image" bs=440 count=1 conv=notrunc status=none
    # One entry: active, FAT16 by LBA (0x0e), from sector 2048 on; then the signature.
    # shellcheck disable=SC2059 # the octal bytes are the format
    printf "\200\376\377\377\016\376\377\377$(little_endian 2048)$(little_endian $(((mib - 1) * 2048)))" |
        dd of="$image" bs=1 seek=446 conv=notrunc status=none
    printf '\125\252' | dd of="$image" bs=1 seek=510 conv=notrunc status=none
    mkfs.vfat -F 16 -n INSTALLED --offset 2048 "$image" $(((mib - 1) * 1024)) >/dev/null
    entry '' >"$work/syslinux.cfg"
    mcopy -i "$image@@1M" "$work/live/$arch/vmlinuz" "$work/live/$arch/initrd.img" "$work/syslinux.cfg" ::
    syslinux --install --offset 1048576 "$image"
else
    mkfs.vfat -F 16 -n INSTALLED "$image" >/dev/null
    entry / >"$work/extlinux.conf"
    mmd -i "$image" ::extlinux
    mcopy -i "$image" "$work/live/$arch/vmlinuz" "$work/live/$arch/initrd.img" ::
    mcopy -i "$image" "$work/extlinux.conf" ::extlinux/
fi

for kind in $kinds; do
    case $kind in
    gz) gzip -9nkf "$image" ;;
    xz) xz -6kf -T1 "$image" ;;
    zst) zstd -q -9 -kf "$image" ;;
    *) echo "installed-os.sh: --as takes gz, xz, zst, not $kind" >&2 && exit 2 ;;
    esac
done
(cd "$work" && sha256sum "$name.img" "$name.img".* >"$name.sha256")
mv "$work/$name".* "$out/"
ls -l "$out/$name".*
