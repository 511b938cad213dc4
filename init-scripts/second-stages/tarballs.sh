# shellcheck shell=sh
# tarballs.sh - installs a system that comes as three tarballs on three partitions:
# the flow that Android and B2G share. Sourced by android.sh and b2g.sh after lib.sh.
# It knows nothing of their events' names but the prefix it is given.
#
# install_tarballs PREFIX BASE CONFIG, with CONFIG the boot config's file:
#   disk                      where to                    (the first fixed disk)
#   boot, system, userdata    file names below BASE       (boot.tar.bz2 …)
#   boot_mib, system_mib      sizes of the partitions     (64, 512; userdata gets the rest)
#   sha256.boot and so on     checksums of the tarballs   (optional)
#
# Events: PREFIX_downloading (sent by the caller), PREFIX_extracting (all three files
# are there to be had, the disk is not touched yet), image_progress {"step": "…"},
# PREFIX_rebooting; image_failed as write-image.sh. Tarballs may be gz, xz, zst, bz2 or plain.

use stream.sh

# available URL: is the file there? Fails with image_failed, before anything is erased.
available() {
    av_end=$(($(uptime_s) + MOZPOOL_RETRY_S))
    while :; do
        av_out=$(timeout 30 wget -q --spider "$1" 2>&1) && return 0
        case $av_out in
        *"server returned error: HTTP/"*" 4"[0-9][0-9]*) fail image_failed "download: ${av_out##*HTTP/1.? } ($1)" ;;
        esac
        [ "$(uptime_s)" -lt "$av_end" ] || fail image_failed "download: ${av_out:-no answer} ($1)"
        sleep 5
    done
}

# partition_name DISK N: /dev/sda1, but /dev/mmcblk0p1 and /dev/nvme0n1p1.
partition_name() {
    case $1 in
    *[0-9]) echo "$1p$2" ;;
    *) echo "$1$2" ;;
    esac
}

# le32 N: four bytes, lowest first, as printf's octal escapes.
le32() { printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
# entry ACTIVE TYPE START COUNT: one line of an MBR table, addressed by LBA alone.
# shellcheck disable=SC2059 # the octal bytes are the format
entry() { printf "\\$1\\376\\377\\377\\$2\\376\\377\\377$(le32 "$3")$(le32 "$4")"; }

# partition DISK BOOT_MIB SYSTEM_MIB: FAT, Linux, Linux, from 1 MiB on. Written as
# bytes, for busybox fdisk asks questions in an order that changes by release.
partition() {
    pa_boot=$(($2 * 2048))
    pa_system=$(($3 * 2048))
    # An MBR entry counts 32 bits of sectors: 2 TiB.
    pa_all=$(($(disk_size "$1") / 512))
    [ "$pa_all" -le 4294967295 ] || pa_all=4294967295
    pa_rest=$((pa_all - 2048 - pa_boot - pa_system))
    [ "$pa_rest" -ge 2048 ] || fail image_failed "disk: $1 is too small for $2 + $3 MiB and user data"
    {
        entry 200 014 2048 "$pa_boot"
        entry 000 203 $((2048 + pa_boot)) "$pa_system"
        entry 000 203 $((2048 + pa_boot + pa_system)) "$pa_rest"
        head -c 16 /dev/zero
        printf '\125\252'
    } >"$MOZPOOL_TMP/mozpool-table"
    # Boot code of an earlier system goes, a boot loader in the gap behind it stays:
    # some boards keep theirs there.
    { head -c 446 /dev/zero && cat "$MOZPOOL_TMP/mozpool-table"; } |
        dd of="$1" bs=512 count=1 iflag=fullblock conv=notrunc,fsync 2>/dev/null ||
        give_up "disk: cannot write the partition table of $1"
    blockdev --rereadpt "$1" || give_up "disk: the kernel does not take the partition table of $1"
    pa_tries=0
    while [ ! -b "$(partition_name "$1" 3)" ]; do
        pa_tries=$((pa_tries + 1))
        [ "$pa_tries" -le 10 ] || give_up "disk: $(partition_name "$1" 3) does not appear"
        sleep 1
    done
}

# make_ext DISK LABEL: ext4 where mkfs.ext4 is there, else ext2, which ext4's driver mounts.
make_ext() {
    if command -v mkfs.ext4 >/dev/null; then
        mkfs.ext4 -q -F -L "$2" "$1" >/dev/null 2>&1
    else
        mke2fs -F -L "$2" "$1" >/dev/null 2>&1
    fi || give_up "disk: cannot make a file system on $1"
}

# unpack URL DEVICE TYPE SHA256: one tarball onto one partition.
unpack() {
    un_dir=$MOZPOOL_TMP/mozpool-unpack
    rm -rf "$un_dir"
    mkdir -p "$un_dir/mount"
    mount -t "$3" "$2" "$un_dir/mount" || give_up "disk: cannot mount $2"
    mkfifo "$un_dir/sum"
    sha256sum <"$un_dir/sum" >"$un_dir/sha256" &
    un_summer=$!
    exec 7>"$un_dir/sum"
    {
        fetch_stream "$1" "$un_dir/fetch" "$un_dir/sum"
        echo $? >"$un_dir/fetched"
    } | {
        un_kind=$(compression_of "$(dd bs=1 count=6 2>/dev/null | tee "$un_dir/first" | od -An -tx1 | tr -d ' \n')")
        { cat "$un_dir/first" -; } | decompress "$un_kind" 2>"$un_dir/err" | tar -xpf - -C "$un_dir/mount" 2>>"$un_dir/err"
        echo $? >"$un_dir/unpacked"
    }
    exec 7>&-
    wait "$un_summer"
    sync
    umount "$un_dir/mount" || give_up "disk: cannot unmount $2"
    [ "$(cat "$un_dir/fetched")" = 0 ] || fail image_failed "download: $(cat "$un_dir/fetch/error") ($1)"
    read -r un_found _ <"$un_dir/sha256"
    if [ -n "$4" ] && [ "$un_found" != "$4" ]; then fail image_failed "checksum: expected $4 got $un_found ($1)"; fi
    # The decompressor's complaint counts too: tar alone ends well after a cut archive's last whole file.
    if [ "$(cat "$un_dir/unpacked")" != 0 ] || [ -s "$un_dir/err" ]; then
        if grep -q 'No space left' "$un_dir/err"; then fail image_failed "disk: $1 does not fit on $2"; fi
        if grep -q 'Input/output error' "$un_dir/err"; then give_up "disk: $2: $(head -n 1 "$un_dir/err")"; fi
        # FAT has no owners and no links; tar says so for each file and goes on.
        if [ "$3" != vfat ] || grep -vq 'chown\|Operation not permitted\|chmod' "$un_dir/err"; then
            fail image_failed "archive: $(head -n 1 "$un_dir/err") ($1)"
        fi
    fi
}

install_tarballs() {
    it_prefix=$1
    it_base=$(absolute_url "$2")
    it_base=${it_base%/}
    it_config=$3
    it_disk=$(json_get "$it_config" disk) || it_disk=$(first_disk 15) || give_up "disk: no fixed disk found"
    it_boot=$(json_get "$it_config" boot_mib) || it_boot=64
    it_system=$(json_get "$it_config" system_mib) || it_system=512
    for it_mib in "$it_boot" "$it_system"; do
        # busybox's mkdosfs makes FAT32 only, which is none below 65525 clusters of 512 bytes.
        case $it_mib in
        [0-9] | [0-9][0-9]) [ "$it_mib" -ge 34 ] || fail image_failed "boot config: boot_mib and system_mib are 34 or more, not $it_mib" ;;
        '' | *[!0-9]*) fail image_failed "boot config: boot_mib and system_mib are numbers, not $it_mib" ;;
        esac
    done
    for it_part in boot system userdata; do
        it_file=$(json_get "$it_config" "$it_part") || it_file=$it_part.tar.bz2
        available "$it_base/$it_file"
    done
    event "${it_prefix}_extracting"
    log "installing $it_base on $it_disk"
    partition "$it_disk" "$it_boot" "$it_system"
    mkdosfs "$(partition_name "$it_disk" 1)" >/dev/null || give_up "disk: cannot make a file system on $it_disk"
    make_ext "$(partition_name "$it_disk" 2)" system
    make_ext "$(partition_name "$it_disk" 3)" userdata
    it_number=0
    for it_part in boot system userdata; do
        it_number=$((it_number + 1))
        it_type=ext4
        [ "$it_number" != 1 ] || it_type=vfat
        it_file=$(json_get "$it_config" "$it_part") || it_file=$it_part.tar.bz2
        event_once image_progress "{\"percent\": $(((it_number - 1) * 33)), \"step\": \"$it_part\"}"
        unpack "$it_base/$it_file" "$(partition_name "$it_disk" "$it_number")" "$it_type" "$(json_get "$it_config" "sha256.$it_part")"
        log "$it_part installed"
    done
    reboot_board "${it_prefix}_rebooting"
}
