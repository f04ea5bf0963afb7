"""The peers that docker/peers/NAME/build makes programs of."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Peer:
    """One of them, by its folder's name."""

    name: str
    heeds: frozenset[str]
    """Environment variables that its build heeds."""
    distrust: str
    """What its client says of a certificate that it does not trust."""

    @property
    def output(self) -> Path:
        """Where scripts/setup has it built."""
        return ROOT / ".peers" / self.name

    def build(self, output: Path, **more: str) -> subprocess.CompletedProcess[str]:
        passed = {"PATH", *self.heeds} & os.environ.keys()
        return subprocess.run(
            [ROOT / "docker/peers" / self.name / "build", output],
            env={name: os.environ[name] for name in passed} | more,
            capture_output=True,
            text=True,
            check=False,
        )

    def adapter(self) -> Path:
        """The program; built, if it is not there yet."""
        done = self.build(self.output)
        assert done.returncode == 0, done.stderr
        return self.output / "adapter"


NGTCP2 = Peer("ngtcp2", frozenset({"NGTCP2_FROM", "DEBIAN_MIRROR"}), "TLS")
PICOQUIC = Peer(
    "picoquic", frozenset({"PICOQUIC_SDIST", "PIP_CERT", "SSL_CERT_FILE"}), "crypto error alert"
)
