"""The one kind of failure that the endpoint reports as a line and exit code 1."""

from __future__ import annotations


class EndpointError(Exception):
    """The endpoint could not do what the contract asks; the message says why."""
