"""Rows in SQLite or PostgreSQL; frozen values out. Only the core imports this."""
