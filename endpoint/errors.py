"""The exception that ends the endpoint with one line on standard error and exit code 1."""

from __future__ import annotations


class EndpointError(Exception):
    """The endpoint could not do what the contract asks; the message says why."""
