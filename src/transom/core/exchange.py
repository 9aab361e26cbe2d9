"""The exchange: a frozen record of its services, and all that a front end receives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transom.core.administration import Administration
from transom.core.attention import Attention
from transom.core.bodies import Bodies
from transom.core.browse import Browse
from transom.core.downloads import Downloads
from transom.core.grants import Tokens
from transom.core.guessing import Alerts
from transom.core.handoff import HandOff
from transom.core.multipart import Multiparts
from transom.core.news import News
from transom.core.people.services import People
from transom.core.publishing import Publishing
from transom.core.retention import Retention
from transom.core.scrub import Scrub
from transom.core.sealing import Sealer
from transom.core.sessions import Sessions
from transom.core.sign_in import SignIn
from transom.core.signed_urls import SignedUrls
from transom.core.tracking import Tracking
from transom.core.transfer_tokens import TransferTokens
from transom.core.uploads import Uploads


@dataclass(frozen=True, slots=True)
class Exchange:
    """The use cases, one service each."""

    sign_in: SignIn
    tokens: Tokens
    sessions: Sessions
    signed_urls: SignedUrls
    transfer_tokens: TransferTokens
    browse: Browse
    uploads: Uploads
    bodies: Bodies
    multiparts: Multiparts
    downloads: Downloads
    tracking: Tracking
    attention: Attention
    news: News
    handoff: HandOff
    publishing: Publishing
    retention: Retention
    scrub: Scrub
    sealers: tuple[Sealer, ...]
    alerts: Alerts
    administration: Administration
    people: People
    check: Callable[[], None]
    """Returns quietly when records and blobs answer; raises Unavailable otherwise."""
