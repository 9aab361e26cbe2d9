"""The REST API of guide section 5: listings, two-step transfer, tracking."""
