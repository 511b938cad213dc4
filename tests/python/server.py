"""The daemon as it is installed: `mozpool serve` on a store of its own, which can be stopped, and started again where it was."""

import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path

from rack import Rack

CONFIG = """
[server]
name = "{name}"
address = "127.0.0.1"
[store]
url = "sqlite:{folder}/mozpool.db"
[http]
listen = "127.0.0.1:{port}"
files = "{folder}/files"
[tftp]
enabled = false
[syslog]
enabled = false
[auth]
mode = "{mode}"
{more}
"""


class Server(Rack):
    """Begins with an empty store, on a free port; `start` after `stop` has the same store and port. With a `secret` it is in a pool; `beside`
    another server it has that one's store."""

    def __init__(self, name="s1", secret=None, beside=None):
        self.name = name
        self.folder = beside.folder if beside else tempfile.TemporaryDirectory(prefix="mozpool-test-")
        (Path(self.folder.name) / "files").mkdir(exist_ok=True)
        self.more = ""
        if secret:
            file = Path(self.folder.name) / "secret"
            file.write_text(secret)
            file.chmod(0o600)
            self.more = f'[peers]\nsecret_file = "{file}"'
        self.port = 0
        #: Whether it asks for tokens, from the next start on.
        self.mode = "open"
        self.start()

    def start(self):
        config = Path(self.folder.name) / f"{self.name}.toml"
        config.write_text(CONFIG.format(name=self.name, folder=self.folder.name, port=self.port, mode=self.mode, more=self.more))
        self.process = subprocess.Popen(
            [os.environ["MOZPOOL"], "--config", config, "serve"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "NO_COLOR": "1"},
        )
        said = []
        for text in self.process.stderr:
            said.append(text)
            found = re.search(r"http 127\.0\.0\.1:(\d+)", text)
            if found:
                self.port = int(found.group(1))
                self.url = f"http://127.0.0.1:{self.port}"
                break
        else:
            raise AssertionError("the daemon has ended: " + "".join(said))
        subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL)

    def pause(self):
        """It neither answers nor ends its connections, as a machine does that hangs."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def __exit__(self, *_):
        self.go_on()
        self.stop()
        self.folder.cleanup()
