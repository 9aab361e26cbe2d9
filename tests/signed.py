"""Requests as botocore signs them, at any instant: what the S3 door must verify, and may not."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from transom.domain.signature import RawRequest


@dataclass(frozen=True)
class Keys:
    """Temporary keys, or long-lived ones when there is no token."""

    access_key_id: str
    secret: str
    token: str | None = None
    region: str = "us-east-1"

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.access_key_id, self.secret, self.token)


@dataclass(frozen=True)
class Sent:
    """A request on its way. `path` and `query` are escaped already."""

    method: str = "GET"
    path: str = "/filex/0001/app1/out/a.txt"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    host: str = "127.0.0.1:9000"

    @property
    def url(self) -> str:
        return f"http://{self.host}{self.path}" + (f"?{self.query}" if self.query else "")

    def asking(self, **parameters: str) -> Sent:
        return replace(self, query=urlencode(parameters, quote_via=quote))

    def having(self, **headers: str) -> Sent:
        """The same with more headers (or others): an underscore is a dash."""
        added = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **added})

    def without(self, *names: str) -> Sent:
        kept = {name: value for name, value in self.headers.items() if name not in names}
        return replace(self, headers=kept)

    def arrived(self) -> RawRequest:
        """As it reaches the door."""
        lines = {name: (value,) for name, value in self.headers.items()}
        return RawRequest(self.method, self.path, self.query, {"host": (self.host,), **lines})


class _HeaderAuth(S3SigV4Auth):
    """Signs for the body what the request says already; where it says nothing, its hash."""

    word = ""

    def payload(self, request: Any) -> Any:
        return self.word or super().payload(request)


def signed(request: Sent, keys: Keys, at: datetime) -> Sent:
    """The request with an Authorization header, as botocore's S3 clients send it."""
    auth = _HeaderAuth(keys.credentials, "s3", keys.region)
    auth.word = request.headers.get("x-amz-content-sha256", "")
    made = _dated(request, at)
    signature = _signature(auth, made)
    auth._inject_signature_to_request(made, signature)
    headers = {name.lower(): str(value) for name, value in made.headers.items()}
    return replace(request, headers=headers)


def presigned(request: Sent, keys: Keys, at: datetime, seconds: int = 600) -> Sent:
    """The request as a pre-signed URL of botocore's; its headers are signed too."""
    auth = S3SigV4QueryAuth(keys.credentials, "s3", keys.region, expires=seconds)
    made = _dated(request, at)
    signature = _signature(auth, made)
    parts = urlsplit(made.url)
    return replace(request, path=parts.path, query=f"{parts.query}&X-Amz-Signature={signature}")


def _dated(request: Sent, at: datetime) -> AWSRequest:
    made = AWSRequest(request.method, request.url, dict(request.headers), request.body)
    made.context["timestamp"] = f"{at:%Y%m%dT%H%M%SZ}"
    return made


def _signature(auth: Any, made: AWSRequest) -> str:
    """What add_auth() does after dating the request from the clock."""
    auth._modify_request_before_signing(made)
    text = auth.string_to_sign(made, auth.canonical_request(made))
    signature: str = auth.signature(text, made)
    return signature


@dataclass(frozen=True)
class Chunked:
    """A body as S3 clients send it in chunks, and how the request announces it."""

    content: bytes
    sizes: Sequence[int] = ()
    """Of all chunks but the last; what is left is one chunk, then the empty one."""
    word: str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    trailer: str = ""
    """Like "x-amz-checksum-crc32:AAAAAA=="."""

    def announced(self, request: Sent) -> Sent:
        """The request with what has to be in its headers."""
        more = {"x_amz_trailer": self.trailer.partition(":")[0]} if self.trailer else {}
        return request.having(
            content_encoding="aws-chunked",
            x_amz_content_sha256=self.word,
            x_amz_decoded_content_length=str(len(self.content)),
            **more,
        )

    def plain(self) -> bytes:
        """The body without signatures."""
        framed = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in self._pieces())
        return (
            framed + b"0\r\n" + (f"{self.trailer}\r\n".encode() if self.trailer else b"") + b"\r\n"
        )

    def signed(self, request: Sent, keys: Keys) -> bytes:
        """The body with the signatures that follow from that of its request."""
        chain = _Chain(request, keys)
        framed = [chain.chunk(each) + each + b"\r\n" for each in self._pieces()]
        framed.append(chain.chunk(b""))
        if self.trailer:
            framed.append(f"{self.trailer}\r\n{chain.trailer(self.trailer)}\r\n".encode())
        return b"".join(framed) + b"\r\n"

    def _pieces(self) -> list[bytes]:
        rest, pieces = self.content, []
        for size in self.sizes:
            pieces.append(rest[:size])
            rest = rest[size:]
        return [each for each in [*pieces, rest] if each]


class _Chain:
    """AWS's rules for chunk signatures, written down a second time."""

    def __init__(self, request: Sent, keys: Keys) -> None:
        self._date = request.headers["x-amz-date"]
        header = request.headers["authorization"]
        self._last = header.rpartition("Signature=")[2]
        self._scope = f"{self._date[:8]}/{keys.region}/s3/aws4_request"
        key = f"AWS4{keys.secret}".encode()
        for part in self._scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = key

    def chunk(self, content: bytes) -> bytes:
        empty, digest = (hashlib.sha256(each).hexdigest() for each in (b"", content))
        self._sign("AWS4-HMAC-SHA256-PAYLOAD", empty, digest)
        return f"{len(content):x};chunk-signature={self._last}\r\n".encode()

    def trailer(self, line: str) -> str:
        self._sign("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(f"{line}\n".encode()).hexdigest())
        return f"x-amz-trailer-signature:{self._last}"

    def _sign(self, kind: str, *digests: str) -> None:
        text = "\n".join((kind, self._date, self._scope, self._last, *digests))
        self._last = hmac.digest(self._key, text.encode(), "sha256").hex()
