"""The S3 door: S3 tools with transfer tokens, and the URLs that our REST API signs."""
