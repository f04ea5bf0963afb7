"""Images of broken endpoints: ours, with another program in its entry script."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parents[1] / "images" / "variants"
ENTRY = Path(__file__).parents[2] / "docker" / "endpoint" / "run_endpoint.sh"
PROGRAM = 'exec python -m "${ENDPOINT_MODULE:-quicmatrix.endpoint}"'
LABEL = "quicmatrix.variant"


def build(engine: Any, base: str, name: str, entry: str) -> str:
    """Build an image with a variant in it; returns its id.

    Args:
        engine: A ``docker.DockerClient``.
        base: Our image.
        name: The variant: a module of :data:`SCRIPTS`.
        entry: The entry script.
    """
    dockerfile = f"FROM {base}\nCOPY run_endpoint.sh variant.py /\nLABEL {LABEL}={name}\n"
    files = {
        "Dockerfile": (dockerfile, 0o644),
        "run_endpoint.sh": (entry, 0o755),
        "variant.py": ((SCRIPTS / f"{name}.py").read_text(), 0o644),
    }
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for file, (text, mode) in files.items():
            data = text.encode()
            member = tarfile.TarInfo(file)
            member.size, member.mode = len(data), mode
            archive.addfile(member, io.BytesIO(data))
    context.seek(0)
    image, _ = engine.images.build(fileobj=context, custom_context=True, rm=True, forcerm=True)
    return str(image.id)


def entry_of(name: str) -> str:
    """Our entry script, with a variant in the endpoint's place.

    One that begins at once does not wait for the sim either.
    """
    text = ENTRY.read_text()
    assert text.count(PROGRAM) == 1
    text = text.replace(PROGRAM, "exec python /variant.py")
    if name == "begins_at_once":
        waiting = [line for line in text.splitlines() if "wait-for-it" in line]
        assert len(waiting) == 1
        text = text.replace(waiting[0], "    true")
    return text
