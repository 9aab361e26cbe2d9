"""Applications written with the connector."""
