"""transom-server admin: organizations, accounts, people, entitlements, applications, catalogue.

Data goes to standard output and everything else to standard error; secrets are printed once, alone.
"""

from __future__ import annotations

import typer

from transom.server.admin.accounts import account
from transom.server.admin.applications import application, catalogue
from transom.server.admin.entitlements import entitlement
from transom.server.admin.errors import Desk
from transom.server.admin.organizations import org
from transom.server.admin.people import factor, person

__all__ = ["admin", "catalogue"]

admin = typer.Typer(
    cls=Desk,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Organizations, accounts, people, rights, applications.",
)
for _name, _commands in {
    "org": org,
    "account": account,
    "person": person,
    "factor": factor,
    "entitlement": entitlement,
    "application": application,
    "catalogue": catalogue,
}.items():
    admin.add_typer(_commands, name=_name)
