"""python -m transom.server: the same as transom-server."""

from transom.server.cli import main

if __name__ == "__main__":
    main()
