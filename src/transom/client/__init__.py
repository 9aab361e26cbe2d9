"""The firm's side: a client for any server that speaks the fileX User Guide's REST API.

    from transom.client import Client

    with Client.connect("https://filex.example", user="0001api01", secret=secret) as filex:
        sent = filex.put("4530_2026Q4.xml", "0001/r4530/in")
        answered = filex.wait([sent.tracking_id], seconds=1800)
        filex.get("0001/r4530/out/feedback_4530_2026Q4.xml", "feedback.xml")

See docs/reference/client.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transom.client.errors import ClientError
from transom.client.presets import PRESETS, Server
from transom.client.values import Entry, Fetched, Finding, Folder, Sent, Submission, TransferToken

if TYPE_CHECKING:
    from transom.client.client import Client

__all__ = [
    "PRESETS",
    "Client",
    "ClientError",
    "Entry",
    "Fetched",
    "Finding",
    "Folder",
    "Sent",
    "Server",
    "Submission",
    "TransferToken",
]


def __getattr__(name: str) -> Any:
    """Load HTTP only for who uses it: the command must say its first word within 100 ms."""
    if name != "Client":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from transom.client.client import Client  # noqa: PLC0415

    return Client
