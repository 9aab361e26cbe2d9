"""What a page says of what was just done, by the code that stands in a cookie until then."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NOTICES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "signed-out": ("done", "You are signed out."),
        "factor-added": ("done", "The new way to sign in is ready. We sent you a mail about it."),
        "factor-removed": ("done", "That way to sign in was removed. We sent you a mail about it."),
        "factor-renamed": ("done", "The name was changed."),
        "last-factor": (
            "problem",
            "This is your only way to sign in, so it stays. Add another one first.",
        ),
        "codes-made": ("done", "Your new recovery codes are in force. The old ones ended."),
        "password-changed": (
            "done",
            "Your password was changed, and every other session ended. We sent you a mail.",
        ),
        "session-ended": ("done", "That session was ended."),
        "others-ended": ("done", "All other sessions were ended, and no device is remembered."),
        "devices-forgotten": ("done", "No device is remembered any more."),
        "display-set": ("done", "Pages look as you chose."),
        "enrolled": ("done", "Your access is set up, and you are signed in."),
        "restored": (
            "note",
            "What you typed is here again. Nothing was sent yet: look at it and send it.",
        ),
        "proof-first": ("note", "We ask again, since you last confirmed this over 10 minutes ago."),
    }
)
"""Kind and sentence. Only these are ever shown: what stands in the cookie is not."""
