"""So that `python -m transom.client.cli` is the command too."""

from __future__ import annotations

from transom.client.cli.main import main

if __name__ == "__main__":
    main()
