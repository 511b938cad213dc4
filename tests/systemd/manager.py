"""A service manager of a few lines: it holds sockets and passes them to each process that it starts (sd_listen_fds(3)).

Arguments: the sockets, such as `tcp` and `udp`, in the order in which they are passed; then `--` and the program. It says first, as
one line of JSON, where they listen. Each line on standard input starts the program; it says its number, and when it has ended how.
"""

import json
import os
import signal
import socket
import sys
import threading

FIRST = 3


def opened(kind: str) -> socket.socket:
    """A socket on a free port."""
    family = socket.AF_INET6 if kind.endswith("6") else socket.AF_INET
    udp = kind.startswith("udp")
    it = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    it.bind(("::" if family == socket.AF_INET6 else "127.0.0.1", 0))
    if kind.startswith("tcp") and not kind.startswith("tcp-deaf"):
        it.listen(1024)
    return it


def start(program: list[str], fds: list[int]) -> int:
    """Forks, passes the sockets as they are numbered from 3 on, and becomes the program."""
    pid = os.fork()
    if pid:
        return pid
    # First out of the way of one another.
    high = [os.dup2(fd, 100 + n, inheritable=True) for n, fd in enumerate(fds)]
    for n, fd in enumerate(high):
        os.dup2(fd, FIRST + n, inheritable=True)
        os.close(fd)
    names = ":".join(["mozpool.socket"] * len(fds))
    passed = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": names}
    os.execve(program[0], program, os.environ | passed)


def collect(pid: int) -> None:
    """Says how it ended."""
    _, status = os.waitpid(pid, 0)
    print(f"ended {os.waitstatus_to_exitcode(status)}", flush=True)


def main() -> None:
    """Runs until its input ends; what it started is ended with it."""
    at = sys.argv.index("--")
    sockets = [opened(kind) for kind in sys.argv[1:at]]
    print(json.dumps([s.getsockname()[1] for s in sockets]), flush=True)
    collector, pid = None, 0
    for _ in sys.stdin:
        pid = start(sys.argv[at + 1 :], [s.fileno() for s in sockets])
        print(f"started {pid}", flush=True)
        collector = threading.Thread(target=collect, args=[pid])
        collector.start()
    if collector and collector.is_alive():
        os.kill(pid, signal.SIGKILL)
        collector.join()


main()
