"""Schema changes, one file each, up and down, on SQLite and PostgreSQL."""
