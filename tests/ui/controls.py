"""Holds the tests to their word: every control that any page has shown in the whole run was used in it.

A control is known by page, kind and words; see controls.js. A run of some tests only is held to nothing.
"""

import json
import os
from pathlib import Path

SCRIPT = (Path(__file__).parent / "controls.js").read_text()


class Controls:
    """What was seen, with the test that saw it first, and what was used."""

    def __init__(self):
        self.seen = {}
        self.used = set()

    def save(self, folder):
        """Leaves what this process has heard for the one that joins it all."""
        (Path(folder) / f"{os.getpid()}.json").write_text(json.dumps([self.seen, sorted(self.used)]))

    @classmethod
    def of(cls, folder):
        """What all processes have heard."""
        joined = cls()
        for file in sorted(Path(folder).glob("*.json")):
            seen, used = json.loads(file.read_text())
            joined.seen = {**seen, **joined.seen}
            joined.used.update(used)
        return joined

    def hear(self, text, test):
        """Takes a line that a page has said; tells whether it was one of ours."""
        word, _, rest = text.partition(" ")
        if word != "control":
            return False
        what, _, sign = rest.partition(" ")
        if what == "seen":
            self.seen.setdefault(sign, test)
        else:
            self.used.add(sign)
        return True

    def unused(self):
        """Controls that were seen and never used: sign and test."""
        return sorted((sign, test) for sign, test in self.seen.items() if sign not in self.used)
