"""The docker backend: the two sides are containers."""
