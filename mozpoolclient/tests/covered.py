# SPDX-License-Identifier: MPL-2.0
"""Which test is of which public thing: `@shows("Board.ping")`. test_complete.py reads these marks and looks for gaps."""


def shows(*names):
    """The test shows that these work; it must use them."""
    return lambda test: test
