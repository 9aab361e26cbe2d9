"""Signed URLs: permissions for one transfer, carried in the URL itself.

A URL names its account and the one submission or listing it is for, as signed parameters; nothing
is stored. Whoever redeems it acts with the account's present rights, cut down to that one thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote

from transom.core.grants import Tokens
from transom.core.keyring import KeyRing
from transom.domain.entitlement import Action, Actor
from transom.domain.errors import GrantInvalid
from transom.domain.names import FileName, Place, parse_file_name
from transom.domain.presigned import Signer, presign, read_presigned, verify_presigned
from transom.domain.signature import RawRequest
from transom.ports import Clock

URL_LIFE = timedelta(seconds=60)

ACCOUNT = "X-Transom-Account"
SUBMISSION = "X-Transom-Submission"
LISTING = "X-Transom-Listing"
EPOCH = "X-Transom-Epoch"
_OURS = frozenset({ACCOUNT, SUBMISSION, LISTING, EPOCH})

CHECKSUM_HEADERS = frozenset(
    {f"x-amz-checksum-{name}" for name in ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")}
    | {"x-amz-sdk-checksum-algorithm"}
)
"""What may stand unsigned on our own upload URLs: it can only make us refuse (decisions.md 4)."""


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """A URL and the instant from which it is refused."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where signed URLs point: the door's public base URL, its region and bucket."""

    base_url: str
    region: str
    bucket: str


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What a verified URL permits: one actor, one file, and a submission or a listing by id.

    `query` is what else stood in its query, decoded once.
    """

    actor: Actor
    place: Place
    name: FileName
    submission: str
    listing: str
    query: tuple[tuple[str, str], ...] = ()


class SignedUrls:
    """Signs and redeems."""

    def __init__(self, keys: KeyRing, endpoint: Endpoint, tokens: Tokens, clock: Clock) -> None:
        self._keys = keys
        self._endpoint = endpoint
        self._tokens = tokens
        self._clock = clock

    def for_upload(
        self, actor: Actor, place: Place, name: FileName, tracking_id: str, signed_at: datetime
    ) -> SignedUrl:
        """A URL for one PUT of the bytes of a submission; the same one for the same arguments."""
        return self._sign("PUT", f"{place}/{name}", actor, (SUBMISSION, tracking_id), signed_at)

    def for_download(
        self, actor: Actor, place: Place, name: FileName, listing_id: str, method: str = "GET"
    ) -> SignedUrl:
        """A URL for reading one listing, with this method (GET or HEAD) and no other."""
        now = self._clock.wall()
        return self._sign(method, f"{place}/{name}", actor, (LISTING, listing_id), now)

    def _sign(
        self, method: str, path: str, actor: Actor, about: tuple[str, str], signed_at: datetime
    ) -> SignedUrl:
        key, endpoint = self._keys.current, self._endpoint
        signer = Signer(key.access_key_id, key.url_secret, endpoint.region, endpoint.base_url)
        whole_second = signed_at.replace(microsecond=0)
        url = presign(
            signer,
            method,
            f"/{endpoint.bucket}/{path}",
            whole_second,
            URL_LIFE,
            [(ACCOUNT, actor.principal_id), (EPOCH, str(actor.epoch)), about],
        )
        return SignedUrl(url, whole_second + URL_LIFE)

    def redeem(self, request: RawRequest, source: str, request_id: str) -> Redeemed:
        """Verify a request that came in on a signed URL, and say what it permits.

        Nothing of the request is believed before its signature has verified.

        Raises:
            SignatureRefused: malformed, altered, expired, or with headers that nobody signed.
            GrantInvalid: the account has stopped, or may not act from this network.
            BadName: the path is not that of a file.
            Unavailable
        """
        presigned = read_presigned(request, self._endpoint.region)
        key = self._keys.find_access_key(presigned.credential.access_key_id)
        secret = key.url_secret if key else self._keys.current.url_secret + "-"
        allowed = CHECKSUM_HEADERS if request.method == "PUT" else frozenset()
        verify_presigned(presigned, secret, self._clock.wall(), allowed)
        named = dict(presigned.extra)
        place, name = self._file(request.path)
        actor = self._tokens.acting(named.get(ACCOUNT, ""), source, request_id)
        if str(actor.epoch) != named.get(EPOCH):
            raise GrantInvalid("every grant of the account was withdrawn since")
        action = Action.UPLOAD if request.method == "PUT" else Action.DOWNLOAD
        return Redeemed(
            actor.cut_to(action, place),
            place,
            name,
            named.get(SUBMISSION, ""),
            named.get(LISTING, ""),
            tuple(pair for pair in presigned.extra if pair[0] not in _OURS),
        )

    def _file(self, raw_path: str) -> tuple[Place, FileName]:
        bucket, _, path = unquote(raw_path).lstrip("/").partition("/")
        place, _, name = path.rpartition("/")
        if bucket != self._endpoint.bucket:
            raise GrantInvalid("the URL names another bucket")
        return Place.parse(place), parse_file_name(name)
