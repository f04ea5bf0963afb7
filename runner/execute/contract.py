"""The endpoint contract: the environment that tells an endpoint what to do.

It is quic-interop-runner's, so whatever runs there runs here (docs/contract.md has all of it).
"""

from __future__ import annotations

from collections.abc import Sequence

from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import TestCase

NOT_SUPPORTED = 127
"""The exit code of an endpoint that does not know its TESTCASE."""

LOCAL = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp",  # noqa: S108 - the sandbox's own
    "LANG": "C.UTF-8",
}
"""What a local command has besides; an image brings its own."""


def environment(role: Side, testcase: str, requests: Sequence[str] = ()) -> dict[str, str]:
    """The environment of an endpoint."""
    variables = {
        "ROLE": str(role),
        "TESTCASE": testcase,
        "SSLKEYLOGFILE": "/logs/keys.log",
        "QLOGDIR": "/logs/qlog/",
    }
    if role is Side.CLIENT:
        return {**variables, "REQUESTS": " ".join(requests), "CLIENT_PARAMS": ""}
    return {**variables, "SERVER_PARAMS": ""}


def job_environment(
    role: Side, test: TestCase, names: Sequence[str], *, tester: bool = False
) -> dict[str, str]:
    """The environment of one side of a job.

    Args:
        role: Which side.
        test: What is run.
        names: The files to request, in order; if there are none, the URL has an empty path.
        tester: Whether it is the tester, whose TESTCASE is the name of the test case itself.
    """
    if role is Side.SERVER:
        return environment(role, test.name if tester else test.server)
    urls = [f"https://{test.server_name}:443/{name}" for name in names or ("",)]
    return environment(role, test.name if tester else test.client, urls)
