# SPDX-License-Identifier: MPL-2.0
"""`python3 -m mozpoolclient IMAGE -- COMMAND`: a board for as long as a command runs, for CI jobs that have Python and no `mozpool`.

Options and exit codes are those of `mozpool request new … -- COMMAND`, as far as they go.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import Optional, Sequence

from . import BoardLost, MozpoolConflictException, MozpoolException, NotReadyInTime, RequestFailed, connect, exit_on_signals
from .board import DURATION_S, READY_WITHIN_S

#: What scripts can tell apart, beside the command's own status.
NO_BOARD, BAD_BOARD, LOST, FAILED, NOT_EXECUTABLE, NO_COMMAND = 120, 121, 122, 125, 126, 127
CODES = """exit codes: COMMAND's own, or 128 and the number of the signal that ended it; 120 no board, 121 the board or the image is bad,
122 the board was lost, 125 any other failure before COMMAND ran, 126 COMMAND cannot be executed, 127 there is no COMMAND"""


def seconds(text: str) -> int:
    """A time as people write it: 90, 90s, 20m, 1h30m, 2d."""
    parts = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text, re.ASCII)
    if not text or parts is None:
        raise argparse.ArgumentTypeError(f"`{text}` is no time; write it like 90s, 20m or 1h30m")
    days, hours, minutes, rest = (int(part or 0) for part in parts.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m mozpoolclient",
        description="Run a command with a board, whose name it finds in MOZPOOL_DEVICE and whose address in MOZPOOL_DEVICE_FQDN.",
        epilog=CODES,
    )
    add = parser.add_argument
    add("image", metavar="IMAGE", help="what is to run on the board")
    add("--url", help="the server, or several with commas between them [default: $MOZPOOL_URL]")
    add("--token-file", metavar="FILE", help="the token that the server asks for [default: $MOZPOOL_TOKEN, $MOZPOOL_TOKEN_FILE]")
    add("--ca-file", metavar="FILE", help="whom an https server may be signed by [default: $MOZPOOL_CA_FILE, or whom the system trusts]")
    add("--device", default="any", help="this board and no other")
    for name in ("environment", "hardware-type", "hardware-model", "processor"):
        add(f"--{name}", help=f"the board's {name.replace('-', ' ')}; several with commas: any of them")
    add("--tag", action="append", default=[], help="a tag that it must have; several with commas: one of them; more than once: all")
    add("-k", dest="keys", action="append", default=[], metavar="KEY=VALUE", help="one of the image's boot configuration keys")
    add("--duration", type=seconds, default=DURATION_S, metavar="TIME", help="held for so long at a time, and renewed [default: 30m]")
    add("--queue-limit", type=seconds, metavar="TIME", help="wait so long for a free board, and no longer [default: the server's: 10m]")
    add("--ready-within", type=seconds, default=READY_WITHIN_S, metavar="TIME", help="the board must be ready by then [default: 1h]")
    add("--assignee", help="who asks [default: user and machine]")
    add("--reason", default="", help="what for; people read it")
    add("command", nargs="+", metavar="COMMAND", help="what to run; write -- before it")
    return parser


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs it, and gives the exit status."""
    args = _arguments().parse_args(arguments)
    exit_on_signals()
    listed = {name: value.split(",") for name in ("hardware_type", "hardware_model", "processor") if (value := getattr(args, name))}
    ran = False
    try:
        wanted = connect(args.url, token_file=args.token_file, ca_file=args.ca_file).request(
            args.device,
            image=args.image,
            boot_config=dict(key.partition("=")[::2] for key in args.keys),
            duration=args.duration,
            environment=args.environment.split(",") if args.environment else "any",
            tags=[tag.split(",") for tag in args.tag],
            queue_limit=args.queue_limit,
            ready_within=args.ready_within,
            assignee=args.assignee,
            reason=args.reason,
            progress=_say,
            **listed,
        )
        with wanted as board:
            ran = True
            status = board.run(args.command)
        return status if status >= 0 else 128 - status
    except BoardLost as lost:
        return _failed(lost, LOST)
    except RequestFailed as failed:
        return _failed(failed, BAD_BOARD if failed.state in ("failed_bad_image", "failed_bad_device") else NO_BOARD)
    except (MozpoolConflictException, NotReadyInTime) as none:
        return _failed(none, FAILED if ran else NO_BOARD)
    except MozpoolException as error:
        return _failed(error, FAILED)
    except FileNotFoundError as error:
        return _failed(error, NO_COMMAND)
    except OSError as error:
        return _failed(error, NOT_EXECUTABLE)
    except KeyboardInterrupt:
        return 130


def _say(words: str) -> None:
    # Other people's words are in it, which a terminal is not to obey.
    shown = "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in words)
    print(f"mozpool: {shown}", file=sys.stderr, flush=True)


def _failed(error: Exception, code: int) -> int:
    _say(str(error))
    return code


if __name__ == "__main__":
    sys.exit(main())
