#!/bin/sh
# Any CI service, or none: one board for several steps that cannot be one command. Nobody renews it meanwhile, so it is asked for as long
# as the whole may take; the trap gives it back at the end of the script, however it ends.
#
# A server that asks for a token finds it in MOZPOOL_TOKEN, or in the file that MOZPOOL_TOKEN_FILE names: let the CI service set one of them.
set -eu
export MOZPOOL_URL="${MOZPOOL_URL:-http://mozpool.example.com:8080}"

request=
trap '[ -z "$request" ] || mozpool request return --yes "$request"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
request=$(mozpool request new demo --duration 2h --queue-limit 30m --reason "nightly tests")
mozpool request wait "$request"

board=$(mozpool request show "$request" --json | sed -n 's/^ *"assigned_device": "\(.*\)",$/\1/p')
export MOZPOOL_REQUEST="$request" MOZPOOL_DEVICE="$board"

./run-tests.sh
