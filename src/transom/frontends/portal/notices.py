"""What a page says of what was just done, by the code that stands in a cookie until then."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from transom.frontends.portal.language import marked

NOTICES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "signed-out": ("done", marked("You are signed out.")),
        "factor-added": (
            "done",
            marked("The new way to sign in is ready. We sent you a mail about it."),
        ),
        "factor-removed": (
            "done",
            marked("That way to sign in was removed. We sent you a mail about it."),
        ),
        "factor-renamed": ("done", marked("The name was changed. We sent you a mail about it.")),
        "last-factor": (
            "problem",
            marked("This is your only way to sign in, so it stays. Add another one first."),
        ),
        "codes-made": ("done", marked("Your new recovery codes are in force. The old ones ended.")),
        "password-changed": (
            "done",
            marked("Your password was changed, and every other session ended. We sent you a mail."),
        ),
        "session-ended": ("done", marked("That session was ended.")),
        "others-ended": (
            "done",
            marked("All other sessions were ended, and no device is remembered."),
        ),
        "devices-forgotten": ("done", marked("No device is remembered any more.")),
        "display-set": ("done", marked("Pages look as you chose.")),
        "enrolled": ("done", marked("Your access is set up, and you are signed in.")),
        "restored": (
            "note",
            marked("What you typed is here again. Nothing was sent yet: look at it and send it."),
        ),
        "proof-first": (
            "note",
            marked("We ask again, since you last confirmed this over 10 minutes ago."),
        ),
    }
)
"""Kind and sentence. Only these are ever shown: what stands in the cookie is not."""
