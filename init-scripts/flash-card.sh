#!/bin/sh
# flash-card.sh - makes the card that a U-Boot board boots from: it asks the network
# first and boots its own system next. It knows nothing of servers or images; what
# runs on the board is in u-boot/card.cmd.
#
#   flash-card.sh --out FILE [--size-mib N] [OPTION…]      a card image, without root
#   flash-card.sh --device /dev/DISK --erase [OPTION…]     onto a card in its reader
#
#   --out        the image; written anew if it exists
#   --size-mib   its size (256); what the boot partition leaves is for the system
#   --device     a whole disk, not mounted; everything on it is lost
#   --erase      yes, everything
#   --max-gib    refuse larger disks: they are somebody's, and no card (256)
#   --arch       arm64 or arm: for the header of boot.scr (arm64)
#   --boot-mib   size of the boot partition (64)
#   --tries      how often the network is asked before the own system boots (3);
#                a switch port may take 50 s to forward after power-on
#   --server     the TFTP server's IPv4 address, whatever DHCP says
#   --set N=V    sets U-Boot's variable N first; may be repeated
#   --file FILE  puts FILE onto the boot partition (MLO, u-boot.img, …); repeatable
#   --raw FILE@KIB  writes FILE at KIB from the card's beginning, in front of the
#                boot partition, where some boards look for U-Boot; repeatable
#
# The card: an MBR table; partition 1 from 1 MiB on, FAT32, active, with boot.scr and
# the stamp mozpool-card.txt; partition 2, type Linux, empty, for the system. Have
# images written there ("disk": "/dev/mmcblk0p2"), or the card is overwritten.
# Two runs with the same options give the same bytes.
#
# Needs: sfdisk, mkfs.vfat, mtools, mkimage, wipefs. Exit codes: 0 done, 1 failed or
# refused, 2 wrong usage.

set -eu
here=$(cd "$(dirname "$0")" && pwd)
# Counts changes that a rack's cards should get; the stamp tells them apart.
card_version=1
out='' device='' erase='' size_mib=256 max_gib=256 arch=arm64 boot_mib=64 tries=3 server=''
PATH=$PATH:/sbin:/usr/sbin

say_usage() { sed -n '/^#   flash-card/,/^# refused, 2/p' "$0" | sed 's/^# \{0,1\}//'; }
usage() {
    echo "flash-card.sh: $1; --help tells more" >&2
    exit 2
}
refuse() {
    echo "flash-card.sh: $1" >&2
    exit 1
}
number() {
    # The shell would take a number with a zero in front for an octal one.
    case $2 in '' | *[!0-9]* | 0?* | ????????*) usage "$1 takes a whole number, not '$2'" ;; esac
}

work=$(mktemp -d "${TMPDIR:-/tmp}/mozpool-card.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/files"
: >"$work/set"
: >"$work/raw"

while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) say_usage && exit 0 ;;
    --erase) erase=1 && shift && continue ;;
    --out | --device | --size-mib | --max-gib | --arch | --boot-mib | --tries | --server | --set | --file | --raw) ;;
    *) usage "there is no option '$1'" ;;
    esac
    [ $# -ge 2 ] || usage "$1 needs a value"
    case $1 in
    --out) out=$2 ;;
    --device) device=$2 ;;
    --size-mib) number "$1" "$2" && size_mib=$2 ;;
    --max-gib) number "$1" "$2" && max_gib=$2 ;;
    --boot-mib) number "$1" "$2" && boot_mib=$2 ;;
    --tries) number "$1" "$2" && tries=$2 ;;
    --arch) arch=$2 ;;
    --server) server=$2 ;;
    --set)
        # Single quotes keep U-Boot from expanding what is in it; it knows no way to write one inside.
        printf '%s' "$2" | LC_ALL=C grep -q "^[A-Za-z_][A-Za-z0-9_]*=[^'[:cntrl:]]*\$" ||
            usage "--set takes NAME=VALUE without quotes, not '$2'"
        printf "setenv %s '%s'\n" "${2%%=*}" "${2#*=}" >>"$work/set"
        ;;
    --file)
        [ -f "$2" ] || refuse "there is no file $2"
        name=$(basename "$2")
        # A FAT knows no case.
        case $(printf '%s' "$name" | tr '[:upper:]' '[:lower:]') in
        boot.scr | boot.scr.uimg | extlinux*) usage "--file $name: U-Boot would boot it in place of this card's script" ;;
        boot.txt | mozpool-card.txt) usage "--file $name: this card has a file of its own by that name" ;;
        esac
        cp "$2" "$work/files/$name"
        ;;
    --raw)
        case $2 in *@*) ;; *) usage "--raw takes FILE@KIB, not '$2'" ;; esac
        number "--raw FILE@KIB" "${2##*@}"
        [ -f "${2%@*}" ] || refuse "there is no file ${2%@*}"
        printf '%s %s\n' "${2##*@}" "${2%@*}" >>"$work/raw"
        ;;
    esac
    shift 2
done

case $arch in arm64 | arm) ;; *) usage "--arch is arm64 or arm, not '$arch'" ;; esac
if [ -n "$out" ] && [ -n "$device" ]; then usage "--out or --device, not both"; fi
[ -n "$out$device" ] || usage "--out FILE or --device DISK is needed"
if [ -e "$out" ] && [ ! -f "$out" ]; then usage "--out writes a file, and $out is none; a card in its reader takes --device and --erase"; fi
# mkfs.vfat makes a FAT32 of 65,525 clusters and more only, of 512 bytes each here.
if [ "$boot_mib" -lt 40 ] || [ "$boot_mib" -gt 4096 ]; then usage "--boot-mib is 40 to 4096"; fi
if [ "$tries" -lt 1 ] || [ "$tries" -gt 100 ]; then usage "--tries is 1 to 100"; fi
if [ -n "$server" ]; then
    printf '%s' "$server" | grep -Eq '^([0-9]{1,3}\.){3}[0-9]{1,3}$' || usage "--server takes an IPv4 address, not '$server'"
fi
for need in sfdisk:fdisk mkfs.vfat:dosfstools mcopy:mtools mkimage:u-boot-tools wipefs:util-linux; do
    command -v "${need%%:*}" >/dev/null || refuse "missing tool ${need%%:*}: install the Debian package ${need#*:}"
done

# ---- where to ----
# in_use DISK-NAME: what holds the disk or a part of it; nothing when it is free.
in_use() {
    for iu_part in "/sys/class/block/$1" "/sys/class/block/$1/$1"*; do
        [ -e "$iu_part/dev" ] || continue
        iu_name=${iu_part##*/}
        read -r iu_number <"$iu_part/dev"
        # Some file systems, such as btrfs, have a device number of their own; their source names the disk all the same.
        awk -v dev="$iu_number" -v name="/dev/$iu_name" '{
            for (i = 7; i <= NF && $i != "-"; i++);
            if ($3 == dev || $(i + 2) == name) print name " is mounted on " $5
        }' /proc/self/mountinfo
        awk -v name="/dev/$iu_name" '$1 == name { print name " is swap" }' /proc/swaps
        for iu_holder in "$iu_part"/holders/*; do
            if [ -e "$iu_holder" ]; then echo "/dev/$iu_name belongs to ${iu_holder##*/}"; fi
        done
    done
}
if [ -n "$device" ]; then
    [ -n "$erase" ] || refuse "everything on $device would be lost; say --erase if that is meant"
    [ -b "$device" ] || refuse "$device is no block device"
    disk=$(basename "$(readlink -f "$device")")
    [ ! -e "/sys/class/block/$disk/partition" ] || refuse "$device is a partition; a card is a whole disk"
    read -r sectors <"/sys/class/block/$disk/size"
    size_mib=$((sectors / 2048))
    holders=$(in_use "$disk")
    [ -z "$holders" ] || refuse "$device is in use: $(echo "$holders" | head -n 1)"
    [ "$size_mib" -le $((max_gib * 1024)) ] ||
        refuse "$device has $((size_mib / 1024)) GiB, more than a card has; --max-gib $((size_mib / 1024 + 1)) if it is one"
fi
[ "$size_mib" -ge $((boot_mib + 2)) ] || refuse "$size_mib MiB are too small for a boot partition of $boot_mib MiB and a system"

# ---- boot.scr and the stamp ----
tries_words=''
n=1
while [ "$n" -le "$tries" ]; do
    tries_words="$tries_words${tries_words:+ }$n"
    n=$((n + 1))
done
server_line='# The server is what DHCP says.'
[ -z "$server" ] || server_line="setenv serverip $server"
# The sum of what decides how the card behaves, so that equal stamps mean equal cards.
sum=$({
    cat "$here/u-boot/card.cmd" "$work/set"
    echo "$tries_words $server"
} | sha256sum | cut -c 1-12)
stamp="$card_version-$sum"
awk -v set_file="$work/set" -v stamp="$stamp" -v tries="$tries_words" -v server="$server_line" '
    /^@SET@$/ { while ((getline line < set_file) > 0) print line; next }
    { sub(/@STAMP@/, stamp); sub(/@TRIES@/, tries); sub(/@SERVER@/, server); print }
' "$here/u-boot/card.cmd" >"$work/boot.cmd"
SOURCE_DATE_EPOCH=0 mkimage -A "$arch" -T script -C none -n "Mozpool card $stamp" -d "$work/boot.cmd" "$work/files/boot.scr" >/dev/null
{
    echo "card=$stamp"
    echo "arch=$arch tries=$tries server=${server:-from DHCP}"
    cat "$work/set"
} >"$work/files/mozpool-card.txt"
# For whoever reads the card.
cp "$work/boot.cmd" "$work/files/boot.txt"

# ---- the card's first part: table, what --raw says, boot partition ----
# As long as the card, for the table; holes take no room.
image=$work/card.img
truncate -s "${size_mib}M" "$image"
sfdisk --quiet "$image" <<TABLE
label: dos
label-id: 0x6d6f7a70
start=2048, size=$((boot_mib * 2048)), type=c, bootable
start=$(((boot_mib + 1) * 2048)), type=83
TABLE
while read -r at file; do
    size=$(stat -L -c %s "$file")
    [ "$at" -ge 1 ] || refuse "--raw $file@$at would overwrite the partition table"
    [ $((at * 1024 + size)) -le 1048576 ] || refuse "--raw $file@$at would reach into the boot partition at 1024 KiB"
    dd if="$file" of="$image" bs=1024 seek="$at" conv=notrunc status=none
done <"$work/raw"
truncate -s "${boot_mib}M" "$work/boot.img"
mkfs.vfat -F 32 -n MOZPOOL --invariant "$work/boot.img" >/dev/null
# The time of a file is part of a FAT; 1980 is where its calendar begins.
find "$work/files" -type f -exec touch -d '1980-01-01 00:00:00' {} +
MTOOLS_SKIP_CHECK=1 TZ=UTC mcopy -m -i "$work/boot.img" "$work/files"/* ::
dd if="$work/boot.img" of="$image" bs=1M seek=1 conv=notrunc,sparse status=none

# ---- hand over ----
if [ -n "$out" ]; then
    cp --sparse=always "$image" "$out.part"
    mv "$out.part" "$out"
    echo "$out: card $stamp, $size_mib MiB, boot partition $boot_mib MiB"
    exit 0
fi
# Only who is alone with a disk may do this, and the kernel knows better than what was looked at above. It also takes a GPT away,
# whose copy at the disk's end would outlive our table.
wipefs --all --quiet "$device" || refuse "$device is in use, or could not be written"
dd if="$image" of="$device" bs=1M count=$((boot_mib + 1)) conv=notrunc,fsync status=none || refuse "$device could not be written"
# What an earlier system left at the beginning of the second partition would be taken for one.
dd if=/dev/zero of="$device" bs=1M seek=$((boot_mib + 1)) count=1 conv=notrunc,fsync status=none || refuse "$device could not be written"
blockdev --rereadpt "$device" 2>/dev/null || :
echo "$device: card $stamp, $size_mib MiB, boot partition $boot_mib MiB"
