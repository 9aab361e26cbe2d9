"""The places where bytes rest: each module is one BlobStore, with its own staging."""
