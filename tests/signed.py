"""Requests as botocore signs them, at any instant: what the S3 door must verify, and may not."""

from __future__ import annotations

from collections.abc import Mapping
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


def signed(request: Sent, keys: Keys, at: datetime) -> Sent:
    """The request with an Authorization header, as botocore's S3 clients send it."""
    auth = S3SigV4Auth(keys.credentials, "s3", keys.region)
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
