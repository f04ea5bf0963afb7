"""Impairments beyond the link: loss, corruption, reordering, duplication, rebinding."""
