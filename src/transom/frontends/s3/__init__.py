"""The S3 door. So far it serves what our REST API signs: GET, HEAD and PUT of one file."""
