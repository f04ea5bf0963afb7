"""What the contract requires of an image in either role: platform, start, and content."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from quicmatrix.runner.contract_check.model import (
    ImageFacts,
    Observations,
    ObservedAttempt,
    contract_requirement,
)
from quicmatrix.testcases.model import (
    Check,
    Finding,
    Held,
    Inconclusive,
    Level,
    NotExercised,
    Violation,
)

_ROOT = ("", "0", "root")
_TRANSFERS = ("server-transfer", "client-transfer")


def _of_image(check: Callable[[ImageFacts], Iterator[Finding]]) -> Check[Observations]:
    """A check of an image alone; not exercised for a local command."""

    def whole(seen: Observations) -> Iterator[Finding]:
        if seen.image is None:
            yield NotExercised("it is a local command")
        else:
            yield from check(seen.image)

    whole.__name__, whole.__doc__ = check.__name__, check.__doc__
    return whole


@contract_requirement(
    Level.TEST,
    role=None,
    hint="build it for this machine too: docker buildx build --platform linux/amd64,linux/arm64",
    compat=True,
)
@_of_image
def image_fits_the_machine(image: ImageFacts) -> Iterator[Finding]:
    """The image is for the machine's operating system and architecture."""
    if image.fits:
        yield Held(message=image.platform)
    else:
        machine = f"linux/{image.engine_architecture}"
        yield Violation(f"it is for {image.platform}, the machine is {machine}")


@contract_requirement(
    Level.TEST,
    "server-unknown",
    "client-unknown",
    *_TRANSFERS,
    role=None,
    hint="give the image an ENTRYPOINT that exists, is executable, and has its interpreter",
    compat=True,
)
def it_starts(seen: Observations) -> Iterator[Finding]:
    """Its program can be started."""
    if seen.image is not None and not seen.image.starts_with:
        yield Violation("the image has neither an ENTRYPOINT nor a CMD")
    elif seen.launch_error:
        yield Violation(seen.launch_error)
    elif not seen.results:
        raise Inconclusive("nothing was run")
    else:
        yield Held(message="its program ran")


@contract_requirement(
    Level.TEST,
    role=None,
    hint="build it FROM martenseemann/quic-network-simulator-endpoint, and call /setup.sh first",
)
@_of_image
def image_has_the_setup_script(image: ImageFacts) -> Iterator[Finding]:
    """The image has /setup.sh of the endpoint base image, which sets the routes."""
    if image.has_setup_script is None:
        raise Inconclusive("the engine does not show the image's files")
    if image.has_setup_script:
        yield Held(message="/setup.sh is there")
    else:
        yield Violation("there is no /setup.sh")


@contract_requirement(
    Level.SHOULD,
    *_TRANSFERS,
    role=None,
    hint="let the entry script call /setup.sh first: without it there is no way to the other side",
)
def image_calls_the_setup_script(seen: Observations) -> Iterator[Finding]:
    """The image's entry script calls /setup.sh, which prints a line, in both roles."""
    if seen.image is None:
        yield NotExercised("it is a local command")
        return
    ran = [name for name in _TRANSFERS if isinstance(seen.results.get(name), ObservedAttempt)]
    if not ran:
        raise Inconclusive("nothing was run")
    for name in ran:
        if seen.attempt(name).logs.setup_ran:
            yield Held(message='its output has "Setting up routes..."')
        else:
            yield Violation(f'its output does not begin with "Setting up routes..." in {name}')


@contract_requirement(
    Level.SHOULD,
    role=None,
    hint="remove the USER line, or become another user after /setup.sh",
)
@_of_image
def image_runs_as_root(image: ImageFacts) -> Iterator[Finding]:
    """The image's program starts as root, since /setup.sh changes routes."""
    if image.user.partition(":")[0] in _ROOT:
        yield Held(message="root")
    else:
        yield Violation(f"it runs as {image.user}")


REQUIREMENTS = (
    image_fits_the_machine,
    it_starts,
    image_has_the_setup_script,
    image_calls_the_setup_script,
    image_runs_as_root,
)
