#!/bin/sh
# Any CI service, or none: a board for as long as one command takes, and its exit status. It is renewed meanwhile, and goes back
# whatever happens. 120 to 122: no board, a bad one, a lost one; not the tests' fault.
#
# A server that asks for a token finds it in MOZPOOL_TOKEN, or in the file that MOZPOOL_TOKEN_FILE names: let the CI service set one of them.
set -eu
export MOZPOOL_URL="${MOZPOOL_URL:-http://mozpool.example.com:8080}"

exec mozpool request new demo --duration 20m --queue-limit 30m --reason "nightly tests" -- ./run-tests.sh
