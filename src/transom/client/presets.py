"""Where servers are: addresses, and those that are built in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

TOKEN_PATH = "/fip/rest/ews/oauth2/access_token"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True)
class Server:
    """The addresses of one server, and what kind of environment it is (printed before uploads)."""

    rest_url: str
    token_url: str
    environment: str = "production"


PRESETS: Mapping[str, Server] = MappingProxyType(
    {
        "finra": Server("https://filex.finra.org", f"https://ews.fip.finra.org{TOKEN_PATH}"),
        "finra-ct": Server(
            "https://filex.ct.finra.org",
            f"https://ews.fip.finra.org{TOKEN_PATH}",
            "customer test",
        ),
        "finra-qa": Server(
            "https://filex-int.qa.finra.org",
            f"https://ews-qaint.fip.qa.finra.org{TOKEN_PATH}",
            "QA",
        ),
    }
)
