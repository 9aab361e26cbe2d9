"""what the portal asks: changes as they come, and submissions that need somebody."""

from alembic import op
import sqlalchemy as sa

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_REFUSED = sa.text("state IN ('rejected', 'partially_rejected')")
_WAITING = sa.text("state = 'received'")
_ANSWERED = sa.text("answered_at IS NOT NULL")
_LISTED = sa.text("ended_at IS NULL")
_UNFETCHED = sa.text("direction = 'outbound' AND ended_at IS NULL AND fetched_at IS NULL")


def upgrade() -> None:
    op.create_index("ix_submissions_updated", "submissions", ["updated_at"])
    op.create_index(
        "ix_submissions_refused",
        "submissions",
        ["org", "answered_at", "application", "sub_space"],
        sqlite_where=_REFUSED,
        postgresql_where=_REFUSED,
    )
    op.create_index(
        "ix_submissions_waiting",
        "submissions",
        ["org", "application", "received_at", "sub_space"],
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )
    op.create_index(
        "ix_submissions_answered",
        "submissions",
        ["org", "application", "answered_at"],
        sqlite_where=_ANSWERED,
        postgresql_where=_ANSWERED,
    )
    op.create_index("ix_submissions_named", "submissions", ["org", "name", "requested_at"])
    op.create_index("ix_listings_listed", "listings", ["listed_at"])
    op.create_index(
        "ix_listings_newest",
        "listings",
        ["org", "application", "sub_space", "listed_at"],
        sqlite_where=_LISTED,
        postgresql_where=_LISTED,
    )
    op.add_column("listings", sa.Column("fetched_at", sa.BigInteger()))
    # Nobody noted downloads before: what is listed must not be called "not downloaded" now.
    op.execute("UPDATE listings SET fetched_at = listed_at WHERE direction = 'outbound'")
    op.create_index(
        "ix_listings_unfetched",
        "listings",
        ["org", "ends_at", "application", "sub_space"],
        sqlite_where=_UNFETCHED,
        postgresql_where=_UNFETCHED,
    )


def downgrade() -> None:
    op.drop_index("ix_listings_unfetched", "listings")
    op.drop_column("listings", "fetched_at")
    op.drop_index("ix_listings_newest", "listings")
    op.drop_index("ix_listings_listed", "listings")
    op.drop_index("ix_submissions_named", "submissions")
    op.drop_index("ix_submissions_answered", "submissions")
    op.drop_index("ix_submissions_waiting", "submissions")
    op.drop_index("ix_submissions_refused", "submissions")
    op.drop_index("ix_submissions_updated", "submissions")
