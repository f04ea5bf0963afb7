"""What an attempt stores, for every way in which its endpoints can behave."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.bundle.capture import read_packets
from quicmatrix.runner.bundle.records import read_attempt
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute.attempt import (
    START_S,
    STOP_S,
    Names,
    Stage,
    attempt,
    launch,
)
from quicmatrix.runner.model.attempt import AttemptRecord, Ending, EntryKind
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.network.cross_traffic.goodput import CrossTraffic
from quicmatrix.runner.sandbox.fake import (
    FakeBackend,
    FakeHost,
    FakeProcess,
    Program,
    Running,
    succeed,
    until_terminated,
)
from quicmatrix.runner.sandbox.model import Exit, Form, Launch, Limits
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import TestCase
from tests.support.fake_sim import sim

COMMANDS = {Side.CLIENT: (sys.executable, "client"), Side.SERVER: (sys.executable, "server")}
SECRET = b"CLIENT_TRAFFIC_SECRET_0 " + b"ab" * 32 + b" " + b"cd" * 32 + b"\n"


async def download(running: Running) -> Exit:
    """A client that gets its files, logs a secret and says so."""
    www = running.host.folder("/certs").parent / "www"
    for file in www.iterdir():
        (running.host.folder("/downloads") / file.name).write_bytes(file.read_bytes())
    (running.host.folder("/logs") / "keys.log").write_bytes(SECRET)
    running.log.write_text("done\n")
    return Exit(0)


async def for_ever(running: Running) -> Exit:
    """Ends when it is told to, and never before."""
    await running.terminated.wait()
    return Exit(None, 15)


async def deaf(_: Running) -> Exit:
    await asyncio.Event().wait()
    return Exit(0)


async def flood(_: Running) -> Exit:
    return Exit(None, 9, log_overflow=True)


def exits(code: int) -> Program:
    async def program(_: Running) -> Exit:
        return Exit(code)

    return program


def run(
    tmp_path: Path,
    *,
    client: Program = download,
    server: Program = until_terminated,
    middlebox: Program | None = None,
    timeout_s: float = 5.0,
    backend: FakeBackend | None = None,
    core: int | None = None,
    start_s: float = START_S,
    stop_s: float = STOP_S,
    save_files: bool = False,
) -> AttemptRecord:
    case = TestCase("case", "X", "It works.", "c", "s", (), (10, 20), timeout_s=timeout_s)
    implementation = Implementation("a", "me/a:1", commands=COMMANDS)
    backend = backend or FakeBackend(
        {"client": client, "server": server, "sim": middlebox or sim()}
    )
    (tmp_path / "scratch").mkdir()
    stage = Stage(backend, "run", tmp_path / "scratch", tmp_path, Limits(), clock=lambda: 1e9)
    stage = replace(stage, core=core, start_s=start_s, stop_s=stop_s, save_files=save_files)
    stage = replace(stage, passed_on={"CRON": "true", "ROLE": "nobody's"})
    names = Names({"a": implementation}, {"case": case})
    job = Job.of("a", "a", "case", seed=1)
    return asyncio.run(attempt(job, names, tmp_path / "bundle", stage))


def test_all_goes_well(tmp_path: Path) -> None:
    record = run(tmp_path)
    assert record.fault == ""
    assert (record.client.ending, record.client.exit_code) == (Ending.EXITED, 0)
    assert (record.server.ending, record.server.exit_code) == (Ending.STOPPED, 0)
    assert record.server_ready
    assert sorted(record.downloads, key=str) == sorted(record.www, key=str)
    assert (record.link.forwarded_to_client, record.link.dropped) == (5, 1)
    assert record.link.incomplete == ""


def test_the_bundle_holds_what_the_record_says(tmp_path: Path) -> None:
    record = run(tmp_path)
    bundle = tmp_path / "bundle"
    assert read_attempt(bundle) == record
    assert (bundle / "client" / "keys.log").read_bytes() == SECRET
    assert (bundle / "output.txt").read_text() == "client | done\n"
    for name in ("trace_node_left.pcap", "trace_node_right.pcap"):
        path = bundle / "sim" / name
        assert [packet.comment for packet in read_packets(path)] == ["#1 delivered"]
        assert SECRET in path.read_bytes()
    assert sorted(path.name for path in (bundle / "sim").iterdir()) == [
        *("output.log", "trace_node_left.pcap", "trace_node_right.pcap"),
    ]


def test_each_side_gets_its_orders_and_nothing_is_left_in_scratch(tmp_path: Path) -> None:
    backend = FakeBackend({"client": download, "server": until_terminated, "sim": sim()})
    record = run(tmp_path, backend=backend)
    (sandbox,) = backend.sandboxes
    (launch,) = sandbox.client.launches
    names = launch.environment["REQUESTS"].split()
    assert names == [f"https://server4:443/{file.name}" for file in record.www]
    assert launch.command == COMMANDS[Side.CLIENT]
    assert sandbox.server.launches[0].environment["TESTCASE"] == "s"
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_client_that_never_ends_is_out_of_time(tmp_path: Path) -> None:
    record = run(tmp_path, client=for_ever, timeout_s=0.05)
    assert (record.client.ending, record.client.signal) == (Ending.OUT_OF_TIME, 15)
    assert record.downloads == ()


def test_a_server_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    record = run(tmp_path, server=deaf)
    assert (record.server.ending, record.server.signal) == (Ending.KILLED, 9)


def test_a_server_that_ends_before_it_is_ready(tmp_path: Path) -> None:
    record = run(tmp_path, server=exits(127), middlebox=sim(ready=False))
    assert (record.server.ending, record.server.exit_code) == (Ending.EXITED, 127)
    assert record.client.ending is Ending.NOT_STARTED
    assert not record.server_ready


def test_a_server_that_ends_while_the_client_runs(tmp_path: Path) -> None:
    client_runs = asyncio.Event()

    async def client(running: Running) -> Exit:
        client_runs.set()
        return await for_ever(running)

    async def server(_: Running) -> Exit:
        await client_runs.wait()
        return Exit(3)

    record = run(tmp_path, client=client, server=server)
    assert (record.server.ending, record.server.exit_code) == (Ending.EXITED, 3)
    assert record.client.ending is Ending.STOPPED


def test_a_silent_server_gets_no_client(tmp_path: Path) -> None:
    record = run(tmp_path, middlebox=sim(ready=False))
    assert not record.server_ready
    assert record.client.ending is Ending.NOT_STARTED
    assert record.server.ending is Ending.STOPPED


def test_a_log_that_overflows(tmp_path: Path) -> None:
    assert run(tmp_path, client=flood).client.ending is Ending.LOG_OVERFLOW


def test_a_side_that_used_too_much_memory(tmp_path: Path) -> None:
    async def greedy(_: Running) -> Exit:
        return Exit(None, 9, out_of_memory=True)

    assert run(tmp_path, client=greedy).client.out_of_memory


def test_a_side_that_reached_a_limit(tmp_path: Path) -> None:
    async def greedy(_: Running) -> Exit:
        return Exit(0, exceeded=("512 processes",))

    assert run(tmp_path, client=greedy).client.exceeded == ("512 processes",)


def test_a_long_log_is_noted(tmp_path: Path) -> None:
    async def talkative(running: Running) -> Exit:
        (running.host.folder("/logs") / "link").symlink_to("/etc/passwd")
        return Exit(0, log_left_out=123)

    notes = run(tmp_path, client=talkative).client.notes
    assert notes == ("output.log: 123 bytes in its middle", "link: not a file")


def test_a_folder_in_place_of_a_key_log_is_the_endpoint_s(tmp_path: Path) -> None:
    async def odd(running: Running) -> Exit:
        (running.host.folder("/logs") / "keys.log").mkdir()
        return Exit(0)

    record = run(tmp_path, client=odd)
    assert record.fault == ""
    assert record.client.exit_code == 0
    assert "keys.log: not a file" in record.client.notes


def test_links_in_downloads_are_listed_as_links(tmp_path: Path) -> None:
    async def link(running: Running) -> Exit:
        (running.host.folder("/downloads") / "x").symlink_to("/etc/passwd")
        (running.host.folder("/logs") / "passwd").symlink_to("/etc/passwd")
        return Exit(0)

    record = run(tmp_path, client=link)
    (entry,) = record.downloads
    assert (entry.name, entry.kind, entry.sha256) == ("x", EntryKind.LINK, "")
    assert not (tmp_path / "bundle" / "client" / "passwd").exists()
    assert any(note.startswith("passwd") for note in record.client.notes)


def test_frames_that_the_kernel_lost_make_the_captures_incomplete(tmp_path: Path) -> None:
    record = run(tmp_path, middlebox=sim(kernel_drops=3))
    assert record.link.incomplete == "the kernel lost 3 frames"


@pytest.mark.parametrize(
    ("backend", "fault"),
    [
        (FakeBackend({}, fault="no namespaces"), "SandboxError: no namespaces"),
        (
            FakeBackend({"client": succeed, "server": until_terminated, "sim": sim(dies=True)}),
            "MiddleboxError: the middlebox ended before it finishes",
        ),
        (
            FakeBackend(
                {"client": succeed, "server": until_terminated, "sim": sim()},
                removal_problem="a cgroup",
            ),
            "SandboxError: a cgroup",
        ),
        (FakeBackend({"server": until_terminated, "sim": sim()}), "LaunchError"),
    ],
)
def test_what_is_our_fault_stands_in_the_record(
    tmp_path: Path, backend: FakeBackend, fault: str
) -> None:
    assert fault in run(tmp_path, backend=backend).fault


def test_a_cancelled_attempt_is_cancelled_even_if_its_sandbox_complains(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def client(running: Running) -> Exit:
        started.set()
        return await for_ever(running)

    programs = {"client": client, "server": until_terminated, "sim": sim()}
    implementation = Implementation("a", commands=COMMANDS)
    case = TestCase("case", "X", "It works.", "c", "s", ())
    backend = FakeBackend(programs, removal_problem="a cgroup")
    stage = Stage(backend, "run", tmp_path, tmp_path, Limits())

    async def cancelled() -> bool:
        names = Names({implementation.name: implementation}, {case.name: case})
        job = Job.of(implementation.name, implementation.name, case.name, seed=1)
        task = asyncio.ensure_future(attempt(job, names, tmp_path / "bundle", stage))
        await started.wait()
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled()

    assert asyncio.run(cancelled())


def test_what_a_tcp_flow_got_through_beside_it_stands_in_the_record(tmp_path: Path) -> None:
    flow = {
        "began_at": 5.0,
        "duration_s": 2.0,
        "received_bytes": 3,
        "bytes_per_second": [1, 2],
    }
    record = run(tmp_path, middlebox=sim(cross_traffic=flow))
    assert record.link.cross_traffic == CrossTraffic(5.0, 2.0, 3, (1, 2))
    assert read_attempt(tmp_path / "bundle") == record


def test_an_attempt_with_a_core_to_itself_has_all_three_hosts_on_it(tmp_path: Path) -> None:
    backend = FakeBackend({"client": download, "server": until_terminated, "sim": sim()})
    record = run(tmp_path, backend=backend, core=3)
    (sandbox,) = backend.sandboxes
    for host in (sandbox.client, sandbox.server, sandbox.sim):
        assert [launch.core for launch in host.launches] == [3]
    assert record.client.command == COMMANDS[Side.CLIENT]


async def flip(running: Running) -> Exit:
    """A client whose files have another last byte."""
    await download(running)
    for file in running.host.folder("/downloads").iterdir():
        data = file.read_bytes()
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    return Exit(0)


def test_where_a_download_differs_stands_in_the_record(tmp_path: Path) -> None:
    found = run(tmp_path, client=flip).downloads
    places = [one.difference.offset for one in found if one.difference]
    assert sorted(places) == [9, 19]
    assert not (tmp_path / "bundle" / "server_www").exists()


@pytest.mark.parametrize(("client", "kept"), [(flip, True), (download, False)])
def test_files_are_kept_where_they_did_not_all_arrive(
    tmp_path: Path, client: Program, kept: bool
) -> None:
    record = run(tmp_path, client=client, save_files=True)
    for name in ("server_www", "client_downloads"):
        folder = tmp_path / "bundle" / name
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
        assert names == ({file.name for file in record.www} if kept else set())


def test_variables_are_passed_on_and_override_nothing(tmp_path: Path) -> None:
    backend = FakeBackend({"client": download, "server": until_terminated, "sim": sim()})
    record = run(tmp_path, backend=backend)
    (sandbox,) = backend.sandboxes
    (launch,) = sandbox.server.launches
    assert (launch.environment["CRON"], launch.environment["ROLE"]) == ("true", "server")
    assert record.timeout_s == 5


def test_a_backend_of_images_gets_images_and_the_contract_alone(tmp_path: Path) -> None:
    backend = FakeBackend(
        {"client": download, "server": until_terminated, "sim": sim()}, form=Form.IMAGE
    )
    record = run(tmp_path, backend=backend, core=3)
    (sandbox,) = backend.sandboxes
    (launch,) = sandbox.client.launches
    assert (launch.command, launch.image, launch.core) == ((), "me/a:1", 3)
    assert "PATH" not in launch.environment  # an image has its own
    assert (record.client.command, record.client.image) == ((), "me/a:1")
    assert sandbox.sim.launches[0].command


def test_a_local_command_has_the_paths_that_an_image_brings_itself(tmp_path: Path) -> None:
    backend = FakeBackend({"client": download, "server": until_terminated, "sim": sim()})
    assert run(tmp_path, backend=backend).client.image == ""
    (sandbox,) = backend.sandboxes
    (launch,) = sandbox.server.launches
    assert launch.environment["HOME"] == "/tmp"
    assert launch.environment["PATH"].endswith("/bin")


@pytest.mark.parametrize("form", Form)
def test_what_cannot_be_started_is_a_fault(tmp_path: Path, form: Form) -> None:
    stage = Stage(FakeBackend({}, form=form), "run", tmp_path, tmp_path, Limits())
    with pytest.raises(UserError, match="bare has no"):
        launch(Implementation("bare"), Side.CLIENT, {}, stage)


def test_start_has_a_limit_of_its_own(tmp_path: Path) -> None:
    backend = FakeBackend({"client": download, "server": until_terminated, "sim": sim()})
    run(tmp_path, backend=backend, start_s=2.5)
    (launch,) = backend.sandboxes[0].sim.launches
    assert "--probe-timeout=2.5" in launch.command


def test_stop_has_a_limit_of_its_own(tmp_path: Path) -> None:
    record = run(tmp_path, client=for_ever, server=deaf, timeout_s=0.05, stop_s=0.01)
    assert record.client.ending is Ending.OUT_OF_TIME
    assert (record.server.ending, record.server.signal) == (Ending.KILLED, 9)


def test_what_nobody_foresaw_is_this_attempt_s_fault(tmp_path: Path) -> None:
    async def program(_: Running) -> Exit:
        raise ZeroDivisionError("not foreseen")

    record = run(tmp_path, client=program)
    assert record.fault.startswith("ZeroDivisionError: not foreseen (fake.py, line ")


@pytest.mark.parametrize("host", ["client", "server"])
def test_a_process_that_cannot_be_waited_for_any_more_is_this_attempt_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """As when a container's engine fails while the wait is given up."""

    class Broken(FakeProcess):
        async def wait(self) -> Exit:
            try:
                return await super().wait()
            except asyncio.CancelledError as error:
                raise OSError(5, "the engine is gone") from error

    async def start(self: FakeHost, launch: Launch, log: Path) -> FakeProcess:
        process = await started(self, launch, log)
        if self.name == host:
            process.__class__ = Broken
        return process

    started = FakeHost.start
    monkeypatch.setattr(FakeHost, "start", start)
    record = run(tmp_path, client=for_ever, timeout_s=0.05)
    assert "the engine is gone" in record.fault
    assert read_attempt(tmp_path / "bundle") == record
