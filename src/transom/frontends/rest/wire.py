"""The shapes of the REST API, in JSON and XML: every public name of it is in this file.

The guide gives the shapes of listings and tracking (5.4.1 to 5.4.6). It leaves out the names in the
answers to step 1 of a transfer, and the XML form: those are ours (docs/reference/rest.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from transom.core.browse import Folder
from transom.core.signed_urls import SignedUrl
from transom.core.transfer_tokens import TransferToken
from transom.domain.listing import Listing
from transom.domain.names import Place
from transom.domain.submission import OUTCOMES, State, Submission
from transom.frontends.encoding import Json, Media, element


def around(head: Json, own_links: Json, media: Media) -> tuple[bytes, bytes, bytes]:
    """What stands before the children, between children and their links, and after, of a folder."""
    if media is Media.XML:
        start = b"".join(element(name, value) for name, value in head.items())
        first = b"".join(element(name, value) for name, value in own_links.items())
        declaration = b'<?xml version="1.0" encoding="UTF-8"?>'
        return declaration + b"<folder>" + start, b"<_links>" + first, b"</_links></folder>"
    opening = json.dumps(head, separators=(",", ":"))[:-1] + ',"children":['
    links = json.dumps(own_links, separators=(",", ":"))[:-1]
    return opening.encode(), f'],"_links":{links},"children":['.encode(), b"]}}"


# --- times ---------------------------------------------------------------------------------------


def utc(instant: datetime) -> str:
    """As listings write it: 2018-12-07T14:18:34.000+0000."""
    text = instant.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "+0000"


def zulu(instant: datetime) -> str:
    """As our own fields write it: 2018-12-07T14:18:34.000Z."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def local(instant: datetime, zone: ZoneInfo) -> str:
    """As tracking writes it, with the true offset: 2022-11-01T12:00:00.000-04:00."""
    return instant.astimezone(zone).isoformat(timespec="milliseconds")


# --- links ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Links:
    """Makes absolute addresses from the public base URL; the Host header is never asked."""

    base_url: str

    def files(self, *parts: str) -> str:
        """The address of a level or a file. Parts are parsed names: none needs escaping."""
        return "/".join((self.base_url, "files", *parts))

    def tracking(self, tracking_id: str = "") -> str:
        """The address of tracking, or of one submission in it."""
        return f"{self.base_url}/tracking" + (f"?id={tracking_id}" if tracking_id else "")


def _hrefs(*addresses: str) -> list[Json]:
    return [{"href": address} for address in addresses]


# --- listings ------------------------------------------------------------------------------------


def directory(name: str, *, writable: bool) -> Json:
    """A level by itself."""
    return {"name": name, "type": "DIR", "metadata": {"writable": writable}}


def folder(shown: Folder, links: Links, *path: str) -> Json:
    """A level with the levels below it (guide 5.4.1, 5.4.2)."""
    names = [child.name for child in shown.children]
    addresses: Json = {"self": _hrefs(links.files(*path))}
    if path:
        addresses["parent"] = _hrefs(links.files(*path[:-1]))
    addresses["children"] = _hrefs(*(links.files(*path, name) for name in names))
    return {
        **directory(shown.name or "files", writable=shown.writable),
        "children": [directory(child.name, writable=child.writable) for child in shown.children],
        "_links": addresses,
    }


def file(listing: Listing) -> Json:
    """A file in its sub-space, exactly as the guide shows it (5.4.3)."""
    return {
        "name": listing.name,
        "type": "FILE",
        "metadata": {
            "writable": False,
            "contentLength": listing.size,
            "lastModified": utc(listing.listed_at),
        },
    }


def sub_space(shown: Folder, place: Place, files: Iterable[Listing], links: Links) -> Json:
    """A sub-space with its files, when they fit into one page."""
    found = list(files)
    path = (place.org, place.application, place.sub_space)
    return {
        **directory(shown.name, writable=shown.writable),
        "children": [file(each) for each in found],
        "_links": {
            "self": _hrefs(links.files(*path)),
            "parent": _hrefs(links.files(*path[:-1])),
            "children": _hrefs(*(links.files(*path, each.name) for each in found)),
        },
    }


# --- step 1 of a transfer ------------------------------------------------------------------------


def upload_offer(submission: Submission, signed: SignedUrl, links: Links) -> Json:
    """The answer to PUT on a file: where to put the bytes, and under which id to track them."""
    place = submission.place
    return {
        "trackingId": submission.tracking_id,
        "preSignedUrl": signed.url,
        "expiresAt": zulu(signed.expires_at),
        "_links": {
            "self": _hrefs(_file_address(links, place, submission.name)),
            "parent": _hrefs(links.files(place.org, place.application, place.sub_space)),
            "tracking": _hrefs(links.tracking(submission.tracking_id)),
        },
    }


def download_offer(
    listing: Listing, signed: SignedUrl, signed_head: SignedUrl, links: Links
) -> Json:
    """The answer to GET on a file: where to get the bytes, and what they are."""
    place = listing.place
    return {
        **file(listing),
        "sha256": listing.sha256,
        "ends": zulu(listing.ends_at) if listing.ends_at else None,
        "preSignedUrl": signed.url,
        "expiresAt": zulu(signed.expires_at),
        "_links": {
            "self": _hrefs(_file_address(links, place, listing.name)),
            "parent": _hrefs(links.files(place.org, place.application, place.sub_space)),
            "head": _hrefs(signed_head.url),
        },
    }


def _file_address(links: Links, place: Place, name: str) -> str:
    return links.files(place.org, place.application, place.sub_space, name)


# --- S3 transfer tokens --------------------------------------------------------------------------


def transfer_token(token: TransferToken) -> Json:
    """Temporary keys: the keys of the guide's sample (6.1) first, then where to use them."""
    session, door = token.session, token.endpoint

    def paths(places: Iterable[Place]) -> list[str]:
        return [f"{door.bucket}/{place}/" for place in places]

    return {
        "region": door.region,
        "sessionName": session.name,
        "readPaths": paths(session.read_places),
        "writePaths": paths(session.write_places),
        "credentials": {
            "accessKeyId": token.access_key_id,
            "secretAccessKey": token.secret,
            "sessionToken": token.session_token,
            "expiration": zulu(session.expires_at),
        },
        "endpoint": door.base_url,
        "bucket": door.bucket,
        "forcePathStyle": True,
    }


# --- tracking ------------------------------------------------------------------------------------

_DOWNSTREAM = {
    State.ACCEPTED: "ACCEPTED",
    State.PARTIALLY_REJECTED: "PARTIALLY_REJECTED",
    State.REJECTED: "REJECTED",
}


@dataclass(frozen=True, slots=True)
class TrackingStyle:
    """What an operator decides about tracking records: his name in `status`, and their zone."""

    operator_name: str
    zone: ZoneInfo


def submission(shown: Submission, links: Links, style: TrackingStyle) -> Json:
    """A tracking record: the keys of the guide's sample (5.4.6) first, then ours."""
    place = shown.place
    received = f"Received by {style.operator_name}"
    record: Json = {
        "trackingId": shown.tracking_id,
        "submissionTime": local(shown.submitted_at, style.zone),
        "userName": shown.user_name,
        "fileName": shown.name,
        "status": received if shown.is_received else "Request Received",
        "downstreamStatus": _downstream(shown),
        "statusUpdateTime": local(shown.updated_at, style.zone),
        "fileSize": shown.size,
        "uploadLocation": str(place),
        "applicationName": place.application,
        "applicationSpaceName": place.sub_space,
        "arcvFileName": shown.archive_name,
        "downloadable": shown.downloadable,
        "_links": [
            {"rel": "self", "href": links.tracking(shown.tracking_id)},
            {"rel": "parent", "href": links.tracking()},
        ],
    }
    return record | _extensions(shown, style)


def _downstream(shown: Submission) -> str | None:
    if shown.state in OUTCOMES:
        return _DOWNSTREAM[shown.state]
    return "RECEIVED" if shown.taken_at is not None else None


def _extensions(shown: Submission, style: TrackingStyle) -> Json:
    ours: Json = {
        "state": shown.state,
        "accessMethod": shown.client.method,
        "homeOrg": shown.home_org,
        "requestedTime": local(shown.requested_at, style.zone),
        "sha256": shown.sha256,
        "findings": [
            {"record": each.record, "field": each.field, "code": each.code, "text": each.text}
            for each in shown.findings
        ],
        "resultFiles": list(shown.results),
    }
    if shown.state is State.ABANDONED:
        ours |= {"reason": shown.reason, "bytesSeen": shown.bytes_seen}
    if shown.framing is not None:
        ours |= {
            "formUnwrapped": True,
            "rawSize": shown.framing.raw_size,
            "rawSha256": shown.framing.raw_sha256,
        }
    return ours
