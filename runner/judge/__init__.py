"""From a bundle to its verdict."""
