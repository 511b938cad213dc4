#!/bin/sh
# b2g.sh - installs B2G from three tarballs (boot, system, userdata) at one place.
# tarballs.sh has the flow and the rest of the boot config; this knows the names.
# Second stage: started by mobile-init.sh, sources lib.sh.
#
# The place: b2gbase in the boot config, or b2g-base-url= on the kernel command line.
# Events: b2g_downloading, b2g_extracting, b2g_rebooting; image_failed with a reason.

export MOZPOOL_TAG=b2g
# shellcheck source=lib.sh
. "${MOZPOOL_LIB:-/tmp/mozpool-lib.sh}"

event b2g_downloading
use tarballs.sh
config=$MOZPOOL_TMP/mozpool-config
boot_config "$config" image_failed
base=$(json_get "$config" b2gbase) || base=$(kernel_arg b2g-base-url) ||
    fail image_failed "boot config: has no b2gbase"
install_tarballs b2g "$base" "$config"
