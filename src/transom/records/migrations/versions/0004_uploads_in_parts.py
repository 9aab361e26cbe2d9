"""uploads in parts."""

from alembic import op
import sqlalchemy as sa

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "multiparts",
        sa.Column("tracking_id", sa.String(length=64), nullable=False),
        sa.Column("checksum", sa.String(length=16), nullable=False),
        sa.Column("full_object", sa.Boolean(), nullable=False),
        sa.Column("completed_as", sa.String(length=64), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("tracking_id", name=op.f("pk_multiparts")),
    )
    op.create_table(
        "parts",
        sa.Column("tracking_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("blob_key", sa.String(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("checksum", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tracking_id", "number", name=op.f("pk_parts")),
    )
    with op.batch_alter_table("parts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_parts_blob_key"), ["blob_key"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("parts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_parts_blob_key"))

    op.drop_table("parts")
    op.drop_table("multiparts")
