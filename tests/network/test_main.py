from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.imports import newly_imported
from tests.support.three_hosts import three_hosts

ARGUMENTS = ("--seed=1", "--capture-limit=100000")
SCENARIO = "--scenario=simple-p2p --delay=15ms --bandwidth=10Mbps --queue=25"


def test_wrong_arguments_give_exit_code_2(tmp_path: Path) -> None:
    scenario = "--scenario=simple-p2p --delay=15ms --bandwidth=10Mbps --queue=many"
    command = (
        sys.executable,
        "-m",
        "quicmatrix.runner.network",
        *ARGUMENTS,
        f"--capture-dir={tmp_path}",
    )
    done = subprocess.run((*command, scenario), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--queue: 'many' is not a whole number from 1" in done.stderr
    assert not done.stdout


def test_it_imports_few_modules() -> None:
    loaded = newly_imported("import quicmatrix.runner.network.__main__")
    slow = {"asyncio", "ctypes", "logging", "quicmatrix.runner.network.cross_traffic.tcp_flow"}
    assert not {*slow, "subprocess", "tempfile"} & loaded
    packages = {name.partition(".")[0] for name in loaded}
    assert packages - sys.stdlib_module_names == {"quicmatrix"}


@pytest.mark.netns
def test_events_go_to_standard_output_and_the_end_of_standard_input_stops_it(
    tmp_path: Path,
) -> None:
    with three_hosts() as hosts:
        command = (sys.executable, "-m", "quicmatrix.runner.network", *ARGUMENTS, SCENARIO)
        with subprocess.Popen(
            hosts.sim.command(*command, f"--capture-dir={tmp_path}"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b'{"event": "capturing"}\n'
            out, _ = process.communicate()
        assert out.startswith(b'{"event": "finished"')
        assert process.returncode == 0


@pytest.mark.netns
def test_a_crash_is_an_event_and_a_traceback(tmp_path: Path) -> None:
    with three_hosts() as hosts:
        command = (
            sys.executable,
            "-m",
            "quicmatrix.runner.network",
            *ARGUMENTS,
            SCENARIO,
            "--left=eth7",
        )
        done = subprocess.run(
            hosts.sim.command(*command, f"--capture-dir={tmp_path}"),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stdout == '{"event": "failed", "reason": "OSError: [Errno 19] No such device"}\n'
    assert "Traceback" in done.stderr


@pytest.mark.netns
@pytest.mark.parametrize("switch", ["ipv4/ip_forward", "ipv6/conf/all/forwarding"])
def test_it_refuses_to_run_where_the_kernel_forwards(tmp_path: Path, switch: str) -> None:
    with three_hosts() as hosts:
        command = (sys.executable, "-m", "quicmatrix.runner.network", *ARGUMENTS, SCENARIO)
        shell = ("sh", "-c", f'echo 1 >/proc/sys/net/{switch}; "$@"', "sh")
        done = subprocess.run(
            hosts.sim.command(*shell, *command, f"--capture-dir={tmp_path}"),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"the kernel forwards packets itself: /proc/sys/net/{switch} is not 0" in done.stdout
