"""Figures: what a transfer, a token, a listing and a small submission cost, and what is near it.

    make bench                          everything
    make bench ARGS="listing tokens"    some of it
    make bench ARGS="profile listing"   where the time goes
    make bench ARGS="--write"           everything, and into docs/explained/performance.md

Loads are bounded in count and time and stay on loopback; only processes started here are ended.
"""
