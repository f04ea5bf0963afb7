"""What holds of an image in either role: that it fits, that it starts, and what it is made of."""

from __future__ import annotations

from quicmatrix.runner.contract_check.model import (
    Broken,
    ImageFacts,
    Importance,
    Inapplicable,
    Observations,
    Unseen,
    rule,
)

_ROOT = ("", "0", "root")
_TRANSFERS = ("server-transfer", "client-transfer")


@rule(
    Importance.REQUIRED,
    role=None,
    hint="build it for this machine too: docker buildx build --platform linux/amd64,linux/arm64",
)
def image_fits_the_machine(seen: Observations) -> str:
    """The image is for the machine's operating system and architecture."""
    image = _image(seen)
    if not image.fits:
        raise Broken(
            f"it is for {image.platform}, the machine is linux/{image.engine_architecture}"
        )
    return image.platform


@rule(
    Importance.REQUIRED,
    "server-unknown",
    "client-unknown",
    *_TRANSFERS,
    role=None,
    hint="give the image an ENTRYPOINT that is there, can be executed, and has its interpreter",
)
def it_starts(seen: Observations) -> str:
    """Its program can be started."""
    if seen.image is not None and not seen.image.starts_with:
        raise Broken("the image has neither an ENTRYPOINT nor a CMD")
    if seen.unlaunchable:
        raise Broken(seen.unlaunchable)
    if not seen.answers and not seen.conversations:
        raise Unseen("nothing was run")
    return "its program ran"


@rule(
    Importance.REQUIRED,
    role=None,
    hint="build it FROM martenseemann/quic-network-simulator-endpoint, and call /setup.sh first",
)
def image_has_the_setup_script(seen: Observations) -> str:
    """The image has /setup.sh of the endpoint base image, which sets the routes."""
    image = _image(seen)
    if image.has_setup_script is None:
        raise Unseen("the engine does not show the image's files")
    if not image.has_setup_script:
        raise Broken("there is no /setup.sh")
    return "/setup.sh is there"


@rule(
    Importance.RECOMMENDED,
    *_TRANSFERS,
    role=None,
    hint="let the entry script call /setup.sh first: without it there is no way to the other side",
)
def image_calls_the_setup_script(seen: Observations) -> str:
    """The image's entry script calls /setup.sh, which says so, in both roles."""
    _image(seen)
    ran = [name for name in _TRANSFERS if name in seen.conversations]
    if not ran:
        raise Unseen("nothing was run")
    silent = [name for name in ran if not seen.conversation(name).logs.setup_ran]
    if silent:
        raise Broken(f'its output does not begin with "Setting up routes..." in {silent[0]}')
    return 'its output has "Setting up routes..."'


@rule(
    Importance.RECOMMENDED,
    role=None,
    hint="remove the USER line, or become another user after /setup.sh",
)
def image_runs_as_root(seen: Observations) -> str:
    """The image's program starts as root, since /setup.sh changes routes."""
    user = _image(seen).user
    if user.partition(":")[0] not in _ROOT:
        raise Broken(f"it runs as {user}")
    return "root"


def _image(seen: Observations) -> ImageFacts:
    if seen.image is None:
        raise Inapplicable("it is a local command")
    return seen.image


RULES = (
    image_fits_the_machine,
    it_starts,
    image_has_the_setup_script,
    image_calls_the_setup_script,
    image_runs_as_root,
)
