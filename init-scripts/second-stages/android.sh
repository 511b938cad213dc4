#!/bin/sh
# android.sh - installs Android from three tarballs (boot, system, userdata) at one place.
# tarballs.sh has the flow and the rest of the boot config; this knows the names.
# Second stage: started by mobile-init.sh, sources lib.sh.
#
# The place: androidbase in the boot config, or android-base-url= on the kernel command line.
# Events: android_downloading, android_extracting, android_rebooting; image_failed with a reason.

export MOZPOOL_TAG=android
# shellcheck source=lib.sh
. "${MOZPOOL_LIB:-/tmp/mozpool-lib.sh}"

event android_downloading
use tarballs.sh
config=$MOZPOOL_TMP/mozpool-config
boot_config "$config" image_failed
base=$(json_get "$config" androidbase) || base=$(kernel_arg android-base-url) ||
    fail image_failed "boot config: has no androidbase"
install_tarballs android "$base" "$config"
