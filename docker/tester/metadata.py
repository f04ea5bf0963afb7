"""Writes what importlib.metadata reads of a distribution: the entry points of pyproject.toml.

    python3 metadata.py PYPROJECT FOLDER

So the conformance cases are found in the image without pip.
"""

import sys
import tomllib
from pathlib import Path


def main(pyproject: Path, folder: Path) -> None:
    """Write FOLDER/quicmatrix-VERSION.dist-info."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    name, version = project["name"], project["version"]
    place = folder / f"{name}-{version}.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in points.items()))
    ]
    (place / "entry_points.txt").write_text("\n".join(lines) + "\n")


main(Path(sys.argv[1]), Path(sys.argv[2]))
