"""Holds the tests to their word: every control that any page has shown in the whole run was used in it.

A control is known by page, kind and words; see controls.js. A run of some tests only is held to nothing.
"""

from pathlib import Path

SCRIPT = (Path(__file__).parent / "controls.js").read_text()

#: Controls that no test uses, and why.
NOT_USED = {
    "bar: link to /": "the name of the page leads where Overview does, which is used",
}


class Controls:
    """What was seen, with the test that saw it first, and what was used."""

    def __init__(self):
        self.seen = {}
        self.used = set()

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
        """Controls that were seen, never used, and are not excused: sign and test."""
        return sorted((sign, test) for sign, test in self.seen.items() if sign not in self.used and sign not in NOT_USED)
