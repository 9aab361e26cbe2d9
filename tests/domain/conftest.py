"""Machines under test are shared: a slow moment is no failure of a property."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
