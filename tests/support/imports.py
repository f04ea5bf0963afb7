"""What a program imports: a measure of its start that is the same under any load."""

from __future__ import annotations

import subprocess
import sys


def newly_imported(program: str) -> set[str]:
    """The names of the modules that a program imports, in an interpreter of its own."""
    around = f"import sys; before = set(sys.modules)\n{program}\n"
    around += "print(*(set(sys.modules) - before), file=sys.stderr)"
    done = subprocess.run(
        (sys.executable, "-P", "-c", around), check=True, capture_output=True, text=True
    )
    return set(done.stderr.split())
