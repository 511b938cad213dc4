# SPDX-License-Identifier: MPL-2.0
"""Where scripts of the original Mozpool import from: `from mozpoolclient.mozpoolclient import MozpoolHandler`."""

from .errors import MozpoolConflictException, MozpoolException
from .handler import MozpoolHandler, check_mozpool_status, mozpool_status_ok

__all__ = ["MozpoolConflictException", "MozpoolException", "MozpoolHandler", "check_mozpool_status", "mozpool_status_ok"]
