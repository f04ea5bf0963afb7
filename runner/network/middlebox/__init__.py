"""The middlebox: forwards packets between the two sides, and records them."""
