"""leases know their sub-space, and claims can be repeated."""

from alembic import op
import sqlalchemy as sa

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("leases", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sub_space", sa.String(length=64)))
        batch_op.add_column(sa.Column("claim_key", sa.String(length=255)))
    op.execute(
        "UPDATE leases SET claim_key = '', sub_space = COALESCE("
        "(SELECT sub_space FROM submissions"
        " WHERE submissions.tracking_id = leases.tracking_id), '')"
    )
    with op.batch_alter_table("leases", schema=None) as batch_op:
        batch_op.alter_column("sub_space", existing_type=sa.String(length=64), nullable=False)
        batch_op.alter_column("claim_key", existing_type=sa.String(length=255), nullable=False)
        batch_op.drop_index(batch_op.f("ix_leases_queue"))
        batch_op.create_index(
            "ix_leases_queue", ["application", "sub_space", "state", "offered_at"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("leases", schema=None) as batch_op:
        batch_op.drop_index("ix_leases_queue")
        batch_op.create_index(
            batch_op.f("ix_leases_queue"), ["application", "state", "offered_at"], unique=False
        )
        batch_op.drop_column("claim_key")
        batch_op.drop_column("sub_space")
