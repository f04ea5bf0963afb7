"""The middlebox: forwards packets between the two sides as the scenario decides."""
