"""keys, sessions, held uploads."""

from alembic import op
import sqlalchemy as sa

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "keys",
        sa.Column("principal_id", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.String(length=64), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("principal_id", "fingerprint", name=op.f("pk_keys")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("principal_id", sa.String(length=64), nullable=False),
        sa.Column("home_org", sa.String(length=20), nullable=False),
        sa.Column("door", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("crypto", sa.Text(), nullable=False),
        sa.Column("software", sa.String(length=256), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sessions_leased_until"), ["leased_until"], unique=False
        )
        batch_op.create_index("ix_sessions_org", ["home_org", "leased_until"], unique=False)

    op.create_table(
        "unheld",
        sa.Column("principal_id", sa.String(length=64), nullable=False),
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("sub_space", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("principal_id", "application", "sub_space", name=op.f("pk_unheld")),
    )
    with op.batch_alter_table("organizations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("networks", sa.Text(), server_default="", nullable=False))

    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("alive_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("held_at", sa.BigInteger(), nullable=True))
        batch_op.create_index(
            "ix_submissions_sent", ["principal_id", "name", "requested_at"], unique=False
        )
        batch_op.create_index(
            "uq_submissions_held",
            ["principal_id", "org", "application", "sub_space", "name"],
            unique=True,
            sqlite_where=sa.text("state = 'held'"),
            postgresql_where=sa.text("state = 'held'"),
        )


def downgrade() -> None:
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_submissions_held",
            sqlite_where=sa.text("state = 'held'"),
            postgresql_where=sa.text("state = 'held'"),
        )
        batch_op.drop_index("ix_submissions_sent")
        batch_op.drop_column("held_at")
        batch_op.drop_column("alive_at")

    with op.batch_alter_table("organizations", schema=None) as batch_op:
        batch_op.drop_column("networks")

    op.drop_table("unheld")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index("ix_sessions_org")
        batch_op.drop_index(batch_op.f("ix_sessions_leased_until"))

    op.drop_table("sessions")
    op.drop_table("keys")
