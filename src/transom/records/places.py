"""Which rows lie in places that somebody may see."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Table, cast, func, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB

from transom.domain.names import Place

_PLACES_IN_A_STATEMENT = 200


def within(tx: Connection, table: Table, places: Sequence[Place]) -> ColumnElement[bool]:
    """Whether a row of submissions or listings lies in one of these places.

    A service provider may have tens of thousands of them, more than a statement takes parameters:
    those go in as one.
    """
    here = table.c
    if len(places) <= _PLACES_IN_A_STATEMENT:
        listed = [(place.org, place.application, place.sub_space) for place in places]
        return tuple_(here.org, here.application, here.sub_space).in_(listed)
    path = here.org + "/" + here.application + "/" + here.sub_space
    paths = [str(place) for place in places]
    if tx.dialect.name == "sqlite":
        return path.in_(select(func.json_each(json.dumps(paths)).table_valued("value").c.value))
    elements = func.jsonb_array_elements_text(cast(paths, JSONB))
    return path.in_(select(elements.column_valued("place")))
