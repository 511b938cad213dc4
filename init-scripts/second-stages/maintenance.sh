#!/bin/sh
# maintenance.sh - keeps the board up for a human: a shell on the console, SSH where
# the live image has dropbear. It touches no disk. Second stage.
#
# Event: maint_mode. It never ends by itself: a self-test, an image or a power cycle
# ordered from the server ends it.
#
# Boot config (optional): authorized_keys, the text of an authorized_keys file;
# else /files/authorized_keys on the server. Without either there is no SSH: a board
# in a lab must not let everybody in.

export MOZPOOL_TAG=maintenance
# shellcheck source=lib.sh
. "${MOZPOOL_LIB:-/tmp/mozpool-lib.sh}"

event maint_mode

start_ssh() {
    if ! command -v dropbear >/dev/null; then
        log "no SSH: this live image has no dropbear (build.sh --with-dropbear)"
        return
    fi
    keys=/root/.ssh/authorized_keys
    mkdir -p /root/.ssh /etc/dropbear
    chmod 700 /root /root/.ssh
    # The shortest patience: the shell on the console must not wait for this.
    MOZPOOL_RETRY_S=10
    config=$MOZPOOL_TMP/mozpool-config
    if fetch "http://$MOZPOOL_SERVER/api/device/$MOZPOOL_DEVICE/bootconfig/" "$config" &&
        json_get "$config" authorized_keys >"$keys" 2>/dev/null; then
        :
    elif ! fetch "http://$MOZPOOL_SERVER/files/authorized_keys" "$keys"; then
        log "no SSH: no authorized_keys in the boot config, and /files/authorized_keys: $fetch_error"
        rm -f "$keys"
        return
    fi
    chmod 600 "$keys"
    # -R makes host keys at need, -s takes no passwords.
    if dropbear -R -s; then log "SSH on port 22 as root, $(grep -c . "$keys") keys"; else log "SSH: dropbear did not start"; fi
}
start_ssh
log "a shell is on the console"
while :; do
    setsid cttyhack sh </dev/console >/dev/console 2>&1
    # A console without a reader ends the shell at once.
    sleep 5
done
