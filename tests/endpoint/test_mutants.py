"""Each mutant does what it says, and works otherwise: its peer is ours and notices little."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from quicmatrix.endpoint.transport.connection import Connection
from tests.support.processes import ENDPOINT, ROOT, Machine
from tests.support.quic_pair import Pair, client_configuration, server_configuration

V1, V2 = 0x00000001, 0x6B3343CF
MUTANTS = ROOT / "tests" / "mutants"


def mutant(name: str) -> tuple[str, str]:
    return sys.executable, str(MUTANTS / f"{name}.py")


def run(
    machine: Machine,
    testcase: str,
    sizes: tuple[int, ...],
    *,
    client: tuple[str, ...] = ENDPOINT,
    server: tuple[str, ...] = ENDPOINT,
    server_testcase: str = "",
) -> tuple[int, list[str]]:
    """Run a test; the client's exit code, and the names of the files."""
    names = [machine.serve_file(f"file{number}", size) for number, size in enumerate(sizes)]
    with machine.server(server_testcase or testcase, server) as process:
        done = machine.run_client(testcase, names, client)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    return done.returncode, names


def seen(machine: Machine, role: str) -> str:
    """All of a side's qlog."""
    return "".join(file.read_text() for file in (machine.logs(role) / "qlog").iterdir())


def packets(machine: Machine, role: str) -> Counter[str]:
    """Packets that a side sent, by type."""
    records = [json.loads(record) for record in seen(machine, role).split("\x1e")[1:]]
    return Counter(
        record["data"]["header"]["packet_type"]
        for record in records
        if record.get("name") == "transport:packet_sent"
    )


def test_every_mutant_says_what_catches_it() -> None:
    files = sorted(MUTANTS.glob("*.py"))
    assert len(files) >= 13
    for file in files:
        assert "\nCaught " in file.read_text(), file.name


@pytest.mark.parametrize("name", ["client_forgets_retry_token", "client_alters_retry_token"])
def test_retry_token_is_lost_after_the_first_initial(machine: Machine, name: str) -> None:
    code, names = run(machine, "retry", (10_000,), client=mutant(name))
    assert code == 0
    assert machine.has(names)
    assert packets(machine, "client")["initial"] >= 3, "before Retry, after it, and one more"


@pytest.mark.parametrize(("name", "updates"), [("", True), ("client_never_updates_keys", False)])
def test_keys_are_not_updated(machine: Machine, name: str, updates: bool) -> None:
    client = mutant(name) if name else ENDPOINT
    code, names = run(machine, "keyupdate", (300_000,), client=client)
    assert code == 0
    assert machine.has(names)
    assert ('"local_update"' in seen(machine, "client")) is updates
    assert ('"remote_update"' in seen(machine, "server")) is updates


@pytest.mark.parametrize(("name", "early"), [("", True), ("client_skips_early_data", False)])
def test_early_data_is_not_used(machine: Machine, name: str, early: bool) -> None:
    client = mutant(name) if name else ENDPOINT
    code, names = run(machine, "zerortt", (32,) * 40, client=client)
    assert code == 0
    assert machine.has(names)
    assert (packets(machine, "client")["0RTT"] > 0) is early


def test_other_ciphers_are_offered(machine: Machine) -> None:
    client = mutant("client_offers_every_cipher")
    code, _ = run(machine, "chacha20", (1000,), client=client, server_testcase="transfer")
    assert code == 0
    secrets = (machine.logs("client") / "keys.log").read_text().splitlines()
    assert {len(line.split()[2]) for line in secrets} == {96}, "SHA-384: TLS_AES_256_GCM_SHA384"


def test_the_close_is_not_clean(machine: Machine) -> None:
    code, names = run(machine, "transfer", (1000,), client=mutant("client_closes_with_error"))
    assert code == 0
    assert machine.has(names)
    assert '"raw_error_code":42' in seen(machine, "server")


def test_the_client_is_ended_by_a_signal(machine: Machine) -> None:
    code, _ = run(machine, "transfer", (1_000_000,), client=mutant("client_aborts"))
    assert code == -signal.SIGABRT


def test_a_file_is_added(machine: Machine) -> None:
    code, names = run(machine, "transfer", (1000,), client=mutant("client_adds_a_file"))
    assert code == 0
    assert {file.name for file in machine.downloads.iterdir()} == {*names, "uninvited"}


def test_downloads_are_littered(machine: Machine) -> None:
    code, _ = run(machine, "transfer", (1000,), client=mutant("client_litters_downloads"))
    assert code == 0
    assert len(list(os.scandir(machine.downloads))) == 10_004
    assert (machine.downloads / "passwd").is_symlink()


def test_a_bit_is_flipped(machine: Machine) -> None:
    code, names = run(machine, "transfer", (1000, 200_000), server=mutant("server_flips_a_bit"))
    assert code == 0
    for name in names:
        sent, received = (
            (folder / name).read_bytes() for folder in (machine.www, machine.downloads)
        )
        assert len(sent) == len(received)
        assert sum(a != b for a, b in zip(sent, received, strict=True)) == 1


def test_no_retry_is_sent(machine: Machine) -> None:
    code, names = run(machine, "retry", (1000,), server=mutant("server_sends_no_retry"))
    assert code == 0
    assert machine.has(names)
    assert '"packet_type":"retry"' not in seen(machine, "client")


@pytest.mark.parametrize(("name", "version"), [("", V2), ("server_stays_in_version_1", V1)])
def test_version_2_is_not_negotiated(certs: Path, name: str, version: int) -> None:
    pair = Pair(
        client_configuration(certs, supported_versions=[V2, V1], original_version=V1),
        server_configuration(certs, supported_versions=[V2, V1]),
        server_type=runpy.run_path(mutant(name)[1])["Mutant"] if name else Connection,
    )
    pair.complete_handshake()
    assert pair.server._version == pair.client._version == version


def test_too_many_streams_are_allowed(machine: Machine) -> None:
    run(machine, "transfer", (1000,), server=mutant("server_allows_2000_streams"))
    assert '"initial_max_streams_bidi":2000' in seen(machine, "client")


@pytest.mark.parametrize("role", ["client", "server"])
def test_an_unknown_test_case_is_accepted(machine: Machine, role: str) -> None:
    done = subprocess.run(
        mutant("accepts_any_testcase"),
        env=machine.environment(role, "qwfpgj"),
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        timeout=10,
        check=False,
    )
    assert done.returncode == 0


def test_the_server_is_never_ready(machine: Machine) -> None:
    done = subprocess.run(
        mutant("server_is_never_ready"),
        env=machine.environment("server", "handshake"),
        stderr=subprocess.DEVNULL,
        timeout=10,
        check=False,
    )
    assert done.returncode == 1


@pytest.mark.parametrize(
    "name",
    [file.stem for file in MUTANTS.glob("*.py") if file.stem != "accepts_any_testcase"],
)
def test_the_others_refuse_an_unknown_test_case(machine: Machine, name: str) -> None:
    """Else a run would end before they can show what they do."""
    for role in ("client", "server"):
        done = subprocess.run(
            mutant(name),
            env=machine.environment(role, "qwfpgj"),
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
            timeout=10,
            check=False,
        )
        assert done.returncode == 127


def test_only_a_kill_ends_what_hangs(machine: Machine) -> None:
    environment = machine.environment("server", "handshake")
    with subprocess.Popen(mutant("hangs"), env=environment) as process:
        while not ignores_sigterm(process.pid):
            assert process.poll() is None
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)
        process.kill()
        assert process.wait(timeout=10) == -signal.SIGKILL


def ignores_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    (ignored,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(ignored, 16) >> (signal.SIGTERM - 1) & 1)


def test_the_log_is_flooded(machine: Machine) -> None:
    environment = machine.environment("server", "handshake")
    with subprocess.Popen(
        mutant("floods_its_log"), env=environment, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert len(process.stderr.read(1_000_000)) == 1_000_000
        process.kill()
