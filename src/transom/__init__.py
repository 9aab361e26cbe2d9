"""Transom: a secure file exchange between firms and a regulator's applications."""

__version__ = "0.1.0.dev0"
