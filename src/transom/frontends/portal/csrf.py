"""That a form was given out by us, to this browser, in this session, and sent from our own pages.

Two guards, either of which would do: what browsers say of a request's origin, and a token in each
form, masked anew in each answer so that compression tells nothing of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from starlette.types import Scope

from transom.frontends.requests import header

FIELD = "form_token"
_SIZE = 32
_OURS = frozenset({"", "same-origin", "none"})


def secret(visit: str, session_csrf: str) -> bytes:
    """What the tokens of one browser and session are made of."""
    return hmac.digest(visit.encode(), f"form/{session_csrf}".encode(), hashlib.sha256)


def token(of: bytes, pad: bytes) -> str:
    """A token for a form; pad is 32 random bytes, others for each answer."""
    masked = bytes(a ^ b for a, b in zip(of, pad, strict=True))
    return base64.urlsafe_b64encode(pad + masked).decode()


def fits(of: bytes, presented: str) -> bool:
    """Whether a token was made of this secret."""
    try:
        raw = base64.urlsafe_b64decode(presented.encode("ascii"))
    except (binascii.Error, ValueError):
        return False
    if len(raw) != 2 * _SIZE:
        return False
    unmasked = bytes(a ^ b for a, b in zip(raw[:_SIZE], raw[_SIZE:], strict=True))
    return hmac.compare_digest(unmasked, of)


def is_from_here(scope: Scope, public_url: str) -> bool:
    """Whether the browser says that the request comes from our own pages; silence is no denial."""
    origin, site = header(scope, "origin"), header(scope, "sec-fetch-site")
    return origin in {"", public_url} and site in _OURS
