# SPDX-License-Identifier: MPL-2.0
"""A command that runs as long as something is so, and is ended whatever happens to us.

It is started by a thread of its own: Ctrl-C raises KeyboardInterrupt in the main thread, also between the start of a process and our
knowing of it, and then nobody would end it.
"""

from __future__ import annotations

import subprocess
import threading
from typing import Any, Callable, Mapping, Optional, Sequence, Union

#: What a command gets to end by itself before it is killed.
TERMINATE_LIMIT_S = 10.0


def run(
    command: Union[str, Sequence[str]],
    options: Mapping[str, Any],
    wait_spoilt: Callable[[threading.Event], bool],
    wake: Callable[[], None],
) -> int:
    """Runs it, and gives its exit status; options are those of subprocess.Popen.

    `wait_spoilt` waits until the command has no point any more, which it says, or its event is set, which `wake` tells it to look at.
    Raises what Popen raises when it cannot be started.
    """
    started, ended = threading.Event(), threading.Event()
    process: Optional[subprocess.Popen[Any]] = None
    failed: Optional[BaseException] = None

    def guard() -> None:
        nonlocal process, failed
        try:
            process = subprocess.Popen(command, **options)
        except BaseException as error:
            failed = error
            return
        finally:
            started.set()
        if wait_spoilt(ended):
            end(process)

    thread = threading.Thread(target=guard, daemon=True, name="mozpool-command")
    try:
        thread.start()
        started.wait()
        if failed is not None:
            raise failed
        assert process is not None
        return process.wait()
    except BaseException:
        if thread.ident is not None:
            started.wait()
        if process is not None:
            end(process)
        raise
    finally:
        ended.set()
        wake()


def end(process: subprocess.Popen[Any]) -> None:
    """Ends a command: politely, then not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(TERMINATE_LIMIT_S)
        except BaseException as why:
            # A second Ctrl-C is no reason to let it run: the board is about to be another's.
            process.kill()
            process.wait()
            if not isinstance(why, subprocess.TimeoutExpired):
                raise
