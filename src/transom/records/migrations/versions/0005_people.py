"""people, their factors and sessions."""

from alembic import op
import sqlalchemy as sa

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("principal_id", sa.String(length=64), nullable=False),
        sa.Column("full_name", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("display", sa.Text(), nullable=False),
        sa.Column("last_factor", sa.String(length=64), server_default="", nullable=False),
        sa.Column("password_at", sa.BigInteger(), nullable=True),
        sa.Column("codes_at", sa.BigInteger(), nullable=True),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("principal_id", name=op.f("pk_people")),
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("principal_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("invited_by", sa.String(length=128), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("bounced", sa.Text(), server_default="", nullable=False),
        sa.Column("skipped_another", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("digest", name=op.f("uq_invitations_digest")),
    )
    op.create_index(
        op.f("ix_invitations_principal_id"), "invitations", ["principal_id"], unique=False
    )
    op.create_table(
        "answers",
        sa.Column("principal_id", sa.String(length=64), nullable=False),
        sa.Column("question", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("principal_id", "question", name=op.f("pk_answers")),
    )
    op.create_table(
        "factors",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("principal_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("credential", sa.String(length=64), nullable=True),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_factors")),
        sa.UniqueConstraint("credential", name=op.f("uq_factors_credential")),
    )
    op.create_index(op.f("ix_factors_principal_id"), "factors", ["principal_id"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("principal_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("principal_id", "digest", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "factor_periods",
        sa.Column("org", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=True),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org", "kind", name=op.f("pk_factor_periods")),
    )
    op.create_table(
        "challenges",
        sa.Column("session_id", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("factor_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "purpose", name=op.f("pk_challenges")),
    )
    op.create_index(op.f("ix_challenges_ends_at"), "challenges", ["ends_at"], unique=False)
    op.create_table(
        "used_passkey_requests",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_used_passkey_requests")),
    )
    op.create_index(
        op.f("ix_used_passkey_requests_ends_at"), "used_passkey_requests", ["ends_at"], unique=False
    )
    op.create_table(
        "person_sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("principal_id", sa.String(length=64), nullable=False),
        sa.Column("principal_epoch", sa.Integer(), nullable=False),
        sa.Column("org_epoch", sa.Integer(), nullable=False),
        sa.Column("assurance", sa.String(length=16), nullable=False),
        sa.Column("invitation_id", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("software", sa.String(length=256), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("proven_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_sessions")),
        sa.UniqueConstraint("digest", name=op.f("uq_person_sessions_digest")),
    )
    op.create_index(
        op.f("ix_person_sessions_ends_at"), "person_sessions", ["ends_at"], unique=False
    )
    op.create_index(
        op.f("ix_person_sessions_principal_id"), "person_sessions", ["principal_id"], unique=False
    )
    op.create_table(
        "devices",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("principal_id", sa.String(length=64), nullable=False),
        sa.Column("software", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("remembered_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("digest", name=op.f("uq_devices_digest")),
    )
    op.create_index(op.f("ix_devices_ends_at"), "devices", ["ends_at"], unique=False)
    op.create_index(op.f("ix_devices_principal_id"), "devices", ["principal_id"], unique=False)
    op.create_table(
        "resets",
        sa.Column("principal_id", sa.String(length=64), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("principal_id", name=op.f("pk_resets")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("invitation_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_next_at"), "outbox", ["next_at"], unique=False)
    personal = sa.text("action >= 'person.' AND action < 'person/'")
    op.create_index(
        "ix_audit_person",
        "audit",
        ["principal_id", "id"],
        unique=False,
        sqlite_where=personal,
        postgresql_where=personal,
    )


def downgrade() -> None:
    op.drop_index("ix_audit_person", table_name="audit")
    op.drop_index(op.f("ix_outbox_next_at"), table_name="outbox")
    op.drop_index(op.f("ix_devices_principal_id"), table_name="devices")
    op.drop_index(op.f("ix_devices_ends_at"), table_name="devices")
    op.drop_index(op.f("ix_person_sessions_principal_id"), table_name="person_sessions")
    op.drop_index(op.f("ix_person_sessions_ends_at"), table_name="person_sessions")
    op.drop_index(op.f("ix_used_passkey_requests_ends_at"), table_name="used_passkey_requests")
    op.drop_index(op.f("ix_challenges_ends_at"), table_name="challenges")
    op.drop_index(op.f("ix_factors_principal_id"), table_name="factors")
    op.drop_index(op.f("ix_invitations_principal_id"), table_name="invitations")
    op.drop_table("outbox")
    op.drop_table("resets")
    op.drop_table("devices")
    op.drop_table("person_sessions")
    op.drop_table("used_passkey_requests")
    op.drop_table("challenges")
    op.drop_table("factor_periods")
    op.drop_table("recovery_codes")
    op.drop_table("factors")
    op.drop_table("answers")
    op.drop_table("invitations")
    op.drop_table("people")
