"""The token service (FIP): OAuth 2 client credentials, as the guide describes it (5.1, 5.2)."""
