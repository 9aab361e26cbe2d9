"""A gateway of our own, and a worker that runs beside the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from connector.gateway_server import GatewayServer, gateway


@pytest.fixture
def server() -> Iterator[GatewayServer]:
    """A gateway that offers nothing yet."""
    with gateway() as found:
        yield found
