"""The token service (FIP): OAuth 2 client credentials, as guide sections 5.1 and 5.2 describe it."""
