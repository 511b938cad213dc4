"""Run a command with a board: `run_tests.py IMAGE COMMAND…`, for CI jobs. Ends with the command's status.

The command finds the board in MOZPOOL_DEVICE and MOZPOOL_DEVICE_FQDN. When the board is lost the command is ended, and the status is 75:
try again, it was not the tests' fault.
"""

import sys

import mozpoolclient

mozpoolclient.exit_on_sigterm()  # a cancelled job returns its board
image, *command = sys.argv[1:]
pool = mozpoolclient.connect()
try:
    with pool.request("any", image=image, progress=lambda words: print(words, file=sys.stderr)) as board:
        status = board.run(command)
except mozpoolclient.MozpoolException as error:
    print(f"no board: {error}", file=sys.stderr)
    sys.exit(75)
sys.exit(status if status >= 0 else 128 - status)
