"""what the portal asks: changes as they come, and submissions that need somebody."""

from alembic import op
import sqlalchemy as sa

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_REFUSED = sa.text("state IN ('rejected', 'partially_rejected')")
_WAITING = sa.text("state = 'received'")
_LISTED = sa.text("ended_at IS NULL")


def upgrade() -> None:
    op.create_index("ix_submissions_updated", "submissions", ["updated_at"])
    op.create_index(
        "ix_submissions_refused",
        "submissions",
        ["org", "answered_at"],
        sqlite_where=_REFUSED,
        postgresql_where=_REFUSED,
    )
    op.create_index(
        "ix_submissions_waiting",
        "submissions",
        ["org", "received_at"],
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )
    op.create_index("ix_listings_listed", "listings", ["listed_at"])
    op.create_index(
        "ix_listings_newest",
        "listings",
        ["org", "application", "sub_space", "listed_at"],
        sqlite_where=_LISTED,
        postgresql_where=_LISTED,
    )


def downgrade() -> None:
    op.drop_index("ix_listings_newest", "listings")
    op.drop_index("ix_listings_listed", "listings")
    op.drop_index("ix_submissions_waiting", "submissions")
    op.drop_index("ix_submissions_refused", "submissions")
    op.drop_index("ix_submissions_updated", "submissions")
