"""The end of a session, which is never the end of an upload.

A file counts only when the client itself has closed it on a living session (guide, FAQ 19). So
there are two ways out for what is open, and they do not meet: the CLOSE request, in files.py, and
this one, for everything that is still open when the session dies, of whatever: disconnect, reset,
end of file, time-out, revocation, our own stop. See docs/decisions/0018-own-sftp-session.md.
"""

from __future__ import annotations

import logging

from transom.core.uploads import BROKEN_OFF
from transom.domain.errors import ExchangeError
from transom.frontends.sftp.handles import Handles, Receiving, Sending
from transom.frontends.workers import Workers

_log = logging.getLogger("transom.access")


async def tear_down(handles: Handles, workers: Workers) -> None:
    """Abandon every upload that is open, and let go of every download. May be called twice."""
    while handles.open:
        _, handle = handles.open.popitem()
        if isinstance(handle, Receiving):
            await abandon(handle, workers, BROKEN_OFF)
        elif isinstance(handle, Sending):
            handle.opened.reader.close()


async def abandon(receiving: Receiving, workers: Workers, why: str) -> None:
    """Throw away what arrived of a file. Never fails: what cannot be noted now, the sweep takes."""
    await receiving.settle()
    submission = receiving.upload.submission
    facts = {"tracking": submission.tracking_id, "bytes_in": receiving.upload.size, "why": why}
    try:
        await workers.run(receiving.upload.abort, why)
    except ExchangeError as failure:
        facts["not_noted"] = failure.message
    _log.info("upload abandoned", extra={"door": "sftp", **facts})
