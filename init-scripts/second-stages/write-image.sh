#!/bin/sh
# write-image.sh - writes one disk image from HTTP to the board's disk.
# It knows nothing of what is inside the image; what to do afterwards is the
# server's business. Second stage: started by mobile-init.sh, sources lib.sh.
#
# Boot config (JSON, GET /api/device/NAME/bootconfig/):
#   url          http address of the image, or a path on our server (needed)
#   sha256       of the file as published, that is compressed      (optional)
#   compression  auto | none | gz | xz | zst | bz2                 (auto: by its first bytes)
#   disk         where to write                                    (the first fixed disk)
#
# Events: image_downloading, image_extracting (the first bytes are here, the disk
# is not touched yet), image_progress {"percent": N, "bytes": N}, then
# image_rebooting or image_failed {"reason": "download: …" | "checksum: …" |
# "archive: …" | "disk: …" | "boot config: …"}. A disk that fails to take the
# bytes is the board's fault: a log line and a non-zero end instead.
#
# Environment: MOZPOOL_PROGRESS_S  seconds between progress events (5).

export MOZPOOL_TAG=write-image
# shellcheck source=lib.sh
. "${MOZPOOL_LIB:-/tmp/mozpool-lib.sh}"
progress_s=${MOZPOOL_PROGRESS_S:-5}
work=$MOZPOOL_TMP/mozpool-write
rm -rf "$work"
mkdir -p "$work"

event image_downloading
use stream.sh

boot_config "$work/config" image_failed
url=$(json_get "$work/config" url) || fail image_failed "boot config: has no url"
url=$(absolute_url "$url")
sha256=$(json_get "$work/config" sha256 | tr 'A-F' 'a-f')
compression=$(json_get "$work/config" compression) || compression=auto
case $compression in
auto | none | gz | xz | zst | bz2) ;;
*) fail image_failed "boot config: compression is one of auto, none, gz, xz, zst, bz2, not $compression" ;;
esac
disk=$(json_get "$work/config" disk) || disk=$(first_disk 15) || give_up "disk: no fixed disk found"
[ -e "$disk" ] || give_up "disk: $disk does not exist"
size=$(disk_size "$disk")
log "writing $url to $disk ($size bytes)"

# unpack_and_write: reads the file from standard input. Leaves the decompressor's
# and the writer's exit status in $work.
unpack_and_write() {
    magic=$(dd bs=1 count=6 2>/dev/null | tee "$work/first" | od -An -tx1 | tr -d ' \n')
    [ -n "$magic" ] || return 0
    kind=$compression
    [ "$kind" != auto ] || kind=$(compression_of "$magic")
    total=$(cat "$work/fetch/total" 2>/dev/null)
    if [ "$kind" = none ] && [ "${total:-0}" -gt "$size" ] && [ "$size" -gt 0 ]; then
        echo "No space left: the image has $total bytes" >"$work/writer.err"
        echo 1 >"$work/writer"
        return 0
    fi
    event image_extracting >&2
    : >"$work/extracting"
    {
        { cat "$work/first" -; } | decompress "$kind" 2>"$work/unpack.err"
        echo $? >"$work/unpack"
    } | {
        # Whole mebibytes: SD cards write less than an erase block at a tenth of the speed.
        dd of="$disk" bs=1M iflag=fullblock conv=notrunc,fsync 2>"$work/writer.err"
        echo $? >"$work/writer"
    }
}

mkfifo "$work/sum"
sha256sum <"$work/sum" >"$work/sha256" &
summer=$!
# Held open by us, so that the sum goes on over broken connections.
exec 7>"$work/sum"
{
    {
        fetch_stream "$url" "$work/fetch" "$work/sum"
        echo $? >"$work/fetched"
    } | unpack_and_write
    : >"$work/finished"
} &
pipeline=$!

# stop_download: nothing that is still to come can change the outcome.
stop_download() {
    : >"$work/fetch/abort"
    kill -9 "$(cat "$work/fetch/pid" 2>/dev/null)" 2>/dev/null
}

last=0
ticks=0
while [ ! -e "$work/finished" ]; do
    sleep 1
    # A file of our own says when it is over: the pid may be reused, kill -0 may lie.
    if [ -s "$work/writer" ] && [ "$(cat "$work/writer")" != 0 ]; then stop_download; fi
    if [ -z "$sha256" ] && [ -s "$work/unpack" ] && [ "$(cat "$work/unpack")" != 0 ]; then stop_download; fi
    ticks=$((ticks + 1))
    [ $((ticks % progress_s)) = 0 ] || continue
    [ -e "$work/extracting" ] || continue
    moved=$(moved_bytes "$work/fetch")
    # Only new bytes are progress: the event re-arms the server's time limit.
    [ "$moved" -gt "$last" ] || continue
    last=$moved
    total=$(cat "$work/fetch/total" 2>/dev/null)
    if [ "${total:-0}" -gt 0 ]; then
        percent=$((moved * 100 / total))
        [ "$percent" -le 100 ] || percent=100
        event_once image_progress "{\"percent\": $percent, \"bytes\": $moved}"
    else
        event_once image_progress "{\"bytes\": $moved}"
    fi
done
wait "$pipeline"
exec 7>&-
wait "$summer"

# The order of the questions matters: a writer that stops breaks the pipe of the
# decompressor, and a wrong checksum explains a broken archive.
writer=$(cat "$work/writer" 2>/dev/null)
if [ "${writer:-0}" != 0 ]; then
    said=$(head -n 1 "$work/writer.err")
    case $said in
    *"No space left"*) fail image_failed "disk: the image does not fit on $disk ($size bytes)" ;;
    *) give_up "disk: cannot write $disk: $said" ;;
    esac
fi
if [ "$(cat "$work/fetched" 2>/dev/null)" != 0 ] && [ ! -e "$work/fetch/abort" ]; then
    fail image_failed "download: $(cat "$work/fetch/error" 2>/dev/null)"
fi
read -r found _ <"$work/sha256"
if [ -n "$sha256" ] && [ "$found" != "$sha256" ]; then
    fail image_failed "checksum: expected $sha256 got $found"
fi
unpack=$(cat "$work/unpack" 2>/dev/null)
[ -n "$unpack" ] || fail image_failed "archive: the file is empty"
[ "$unpack" != 127 ] || give_up "this live image cannot unpack: $(head -n 1 "$work/unpack.err")"
if [ "$unpack" != 0 ]; then
    fail image_failed "archive: $(head -n 1 "$work/unpack.err") (exit status $unpack)"
fi
log "fact image_sha256=$found bytes=$(cat "$work/fetch/got")"
reboot_board image_rebooting
