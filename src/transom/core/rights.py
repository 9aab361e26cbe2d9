"""What each principal may do right now, cached until a version number says otherwise."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from transom.domain.entitlement import Actor, PrincipalKind, Rights, rights_of
from transom.domain.identity import Principal
from transom.domain.space import Catalogue
from transom.ports import Clock
from transom.records import identities, spaces
from transom.records.database import Database
from transom.records.spaces import Version

MAX_AGE_SECONDS = 60.0
"""A change made by another program on the identity side alone is seen after at most this."""
_MAX_ENTRIES = 2_000


@dataclass(frozen=True, slots=True)
class _Kept:
    version: Version
    until: float
    rights: Rights


class RightsBook:
    """Looks rights up: one small query when nothing changed."""

    def __init__(
        self, identity: Database, exchange: Database, clock: Clock, archive_days: int
    ) -> None:
        self._identity = identity
        self._exchange = exchange
        self._clock = clock
        self._archive_days = archive_days
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def actor(
        self, principal: Principal, source: str = "", request_id: str = "", org_epoch: int = 0
    ) -> Actor:
        """A principal with its present rights. Only sign-in and grants may call this."""
        return Actor(
            principal.id,
            principal.name,
            principal.kind,
            principal.home_org,
            self._rights(principal),
            source,
            request_id,
            principal.unwrap_forms,
            principal.epoch,
            org_epoch,
        )

    def _rights(self, principal: Principal) -> Rights:
        """A person's never exceed the organization's: what its own accounts hold in all."""
        held = self.of(principal.id)
        if principal.kind is not PrincipalKind.PERSON or not (held.places or held.processes):
            return held
        with self._identity.reading() as tx:
            accounts = identities.account_ids(tx, principal.home_org, self._clock.now())
        return held.within(self.of(each) for each in accounts)

    def of(self, principal_id: str) -> Rights:
        """The present rights of a principal."""
        with self._exchange.reading() as tx:
            version = spaces.version(tx, principal_id)
        with self._lock:
            kept = self._kept.get(principal_id)
        if kept and kept.version == version and self._clock.monotonic() < kept.until:
            return kept.rights
        return self._load(principal_id, version)

    def catalogue(self) -> Catalogue:
        """Every application, with its archives in place."""
        with self._exchange.reading() as tx:
            loaded = spaces.catalogue(tx)
        return Catalogue.of(
            each.with_archives(self._archive_days) for each in loaded.applications.values()
        )

    def _load(self, principal_id: str, version: Version) -> Rights:
        # The version was read before the rights: at worst they are newer, and are loaded again.
        catalogue = self.catalogue()
        with self._exchange.reading() as tx:
            held = spaces.entitlements_of(tx, principal_id)
            opened = spaces.opened(tx, (each.org for each in held))
        with self._identity.reading() as tx:
            kinds = identities.kinds(tx, (each.org for each in held))
        rights = rights_of(held, catalogue, kinds, opened)
        until = self._clock.monotonic() + MAX_AGE_SECONDS
        with self._lock:
            self._kept[principal_id] = _Kept(version, until, rights)
            self._kept.move_to_end(principal_id)
            if len(self._kept) > _MAX_ENTRIES:
                self._kept.popitem(last=False)
        return rights
