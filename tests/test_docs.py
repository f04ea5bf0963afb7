from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from quicmatrix.runner.plan import select
from quicmatrix.runner.plan.implementations import peers_folder

ROOT = Path(__file__).parent.parent


def test_generated_pages_are_what_the_declarations_say() -> None:
    pages = runpy.run_path(str(ROOT / "scripts" / "docs.py"))["PAGES"]
    assert set(pages) == {"testcases.md", "conformance-cases.md"}
    for name, made in pages.items():
        assert (ROOT / "docs" / name).read_text() == made(), "run scripts/docs.py"


def test_every_requirement_stands_in_it_with_its_source() -> None:
    page = (ROOT / "docs" / "testcases.md").read_text()
    for case in select.testcases():
        for requirement in case.requirements:
            assert f"{requirement.text} | {requirement.citation} |" in page


# --- Commands -------------------------------------------------------------------------------------

IS_SLOW = "takes minutes, and is what CI runs as it is"
NEEDS_IMAGES = "needs an engine and images; tests/images and tests/sandbox/docker run what it does"
NEEDS_OTHERS = "needs quic-interop-runner or a registry, which no test has"
IS_TEXT = "is no command"
PEERS = "builds a peer; tests/peers does"

NOT_RUN = {
    "scripts/demo": IS_SLOW,
    "scripts/test": IS_SLOW,
    "scripts/images": NEEDS_IMAGES,
    "scripts/engine": NEEDS_IMAGES,
    ".venv/bin/quicmatrix run --backend docker": NEEDS_IMAGES,
    ".venv/bin/quicmatrix image check": NEEDS_IMAGES,
    "quicmatrix image check": NEEDS_IMAGES,
    "docker ": NEEDS_IMAGES,
    "CLIENT=": NEEDS_IMAGES,
    "export WWW": NEEDS_IMAGES,
    "python run.py": NEEDS_OTHERS,
    '"quicmatrix": {': IS_TEXT,
    '"image":': IS_TEXT,
    '"url":': IS_TEXT,
    '"role":': IS_TEXT,
    "}": IS_TEXT,
    "runner/ ": IS_TEXT,
    "testcases/ ": IS_TEXT,
    "endpoint/ ": IS_TEXT,
    "docker/ ": IS_TEXT,
    "reports/ ": IS_TEXT,
    "tests/ ": IS_TEXT,
    "docker/peers/": PEERS,
    ".peers/": PEERS,
}
"""Commands by how they begin, and why no test runs them."""
RUN = {
    ".venv/bin/quicmatrix run -c mine": " -t H",  # all tests take minutes
    ".venv/bin/quicmatrix run -s mine": " -c reference",  # the peers may not be built
    ".venv/bin/quicmatrix conform": " -t control/transfer",  # all cases take minutes
    ".venv/bin/quicmatrix explain": "",
    ".venv/bin/quicmatrix judge": "",
    ".venv/bin/quicmatrix doctor": "",
    ".venv/bin/python": "",
    "../.venv/bin/python": "",
    "mkdir": "",
}
"""Commands by how they begin, and what a test adds to them."""
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docker" / "peers").glob("*/README.md")),
)


def commands(page: Path) -> list[str]:
    """The commands in a page's indented blocks, each with all its lines."""
    found: list[str] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    is_block = is_fenced = is_open = False
    for before, line in pairwise(["", *lines]):
        is_fenced ^= line.startswith("```")
        is_block = line.startswith("    ") and not is_fenced and (is_block or not before)
        if not is_block:
            continue
        text = line.removeprefix("    ")
        if is_open:
            found[-1] += f"\n{text}"
        else:
            found.append(text)
        is_open = not _is_whole(found[-1])
    return found


def _is_whole(command: str) -> bool:
    """Whether a shell would not wait for another line."""
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def kind(command: str) -> str:
    """How a command begins, as one of the two tables has it."""
    known = [start for start in (*NOT_RUN, *RUN) if command.lstrip().startswith(start)]
    assert known, f"no table says whether a test runs this: {command}"
    return max(known, key=len)


def test_each_command_is_in_one_of_the_tables() -> None:
    kinds = {kind(command) for page in PAGES for command in commands(page)}
    assert kinds == {*NOT_RUN, *RUN}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with what the pages suppose: a set-up checkout, and two programs of one's own."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for name in ("my-client", "my-server"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nexec {sys.executable} -P -m quicmatrix.endpoint\n")
        program.chmod(0o755)
    return tmp_path


def run(command: str, place: Path) -> None:
    wanted = command.partition("  # ")[0].rstrip() if "\n" not in command else command
    done = subprocess.run(
        ["bash", "-c", wanted + RUN[kind(command)]],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@pytest.mark.netns
@pytest.mark.tshark
def test_the_readme_s_commands_do_what_they_say(place: Path) -> None:
    wanted = [command for command in commands(ROOT / "README.md") if kind(command) in RUN]
    assert len(wanted) == 6
    for command in wanted:
        if "ngtcp2" in command and not (peers_folder() / "ngtcp2" / "adapter").exists():
            command = command.replace(",ngtcp2", "")  # noqa: PLW2901 - it need not be built
        run(command, place)


@pytest.mark.parametrize("name", ["endpoint.md", "images.md"])
def test_certificates_are_made_as_the_pages_say(name: str, place: Path) -> None:
    for command in commands(ROOT / "docs" / name):
        if kind(command) in RUN:
            where = place / "pair" if command.startswith("../") else place
            run(command, where)
    certs = place / "pair" / "certs" if name == "images.md" else place
    assert {path.name for path in certs.glob("*.*")} >= {"ca.pem", "cert.pem", "priv.key"}


def test_the_first_example_of_the_library_runs_with_them(place: Path) -> None:
    page = ROOT / "docs" / "endpoint.md"
    recipe, *_ = commands(page)
    run(recipe, place)
    program, *_ = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=place, capture_output=True, text=True, check=True
    )
    assert done.stdout == "b'HELLO'\n"
