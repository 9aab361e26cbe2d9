"""The firm's side: a client for any server that speaks the fileX User Guide's REST API.

from transom.client import Client

with Client.connect("https://filex.example", user="0001api01", secret=secret) as filex:
sent = filex.put("4530_2026Q4.xml", "0001/r4530/in")
answered = filex.wait(sent.tracking_id, seconds=1800)
filex.get("0001/r4530/out/feedback_4530_2026Q4.xml", "feedback.xml")
"""

from __future__ import annotations

from transom.client.client import Client
from transom.client.errors import ClientError
from transom.client.server import PRESETS, Server
from transom.client.values import Entry, Fetched, Finding, Folder, Sent, Submission

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
]
