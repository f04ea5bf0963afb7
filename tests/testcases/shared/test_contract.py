"""The contract, on records of attempts that went otherwise than they must."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import Any

import pytest

from quicmatrix.runner.model.attempt import (
    AttemptRecord,
    Difference,
    Ending,
    EntryKind,
    FileRecord,
    SideRecord,
)
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.shared.contract import (
    ENDPOINT_CONTRACT,
    client_exits_with_0,
    client_finishes_in_time,
    endpoints_keep_to_their_log_limit,
    endpoints_keep_to_their_memory_limit,
    endpoints_keep_to_their_other_limits,
    files_arrive,
    server_answers_the_readiness_probe,
    server_runs_until_it_is_stopped,
    server_stops_on_sigterm,
    unknown_testcase_exits_with_127,
)
from quicmatrix.testcases.shared.fragmentation import datagrams_are_not_fragmented
from tests.support.story import FILE, Story, breaks, holds, record, unexercised

NOT_STARTED = SideRecord()
NOTHING_STARTED = record(client=NOT_STARTED, server=NOT_STARTED, server_ready=False, downloads=())
SERVER_NOT_READY = record(client=NOT_STARTED, server_ready=False, downloads=())


def client(ending: Ending, exit_code: int | None = None, **fields: Any) -> AttemptRecord:
    return record(client=SideRecord(ending=ending, exit_code=exit_code, **fields))


def server(ending: Ending, exit_code: int | None = None, **fields: Any) -> AttemptRecord:
    return record(server=SideRecord(ending=ending, exit_code=exit_code, **fields))


def downloads(*files: FileRecord, complete: bool = True) -> AttemptRecord:
    return record(downloads=files, downloads_complete=complete)


ON_RECORDS = [one for one in ENDPOINT_CONTRACT if one is not datagrams_are_not_fragmented]

STORIES = (
    *(holds(one, "all went well", record()) for one in ON_RECORDS),
    *(unexercised(one, "nothing was started", NOTHING_STARTED) for one in ON_RECORDS),
    *(
        unexercised(one, "the client was not started", SERVER_NOT_READY)
        for one in (client_finishes_in_time, client_exits_with_0, files_arrive)
    ),
    breaks(
        unknown_testcase_exits_with_127,
        "the server goes on",
        replace(
            NOTHING_STARTED,
            server=SideRecord(unknown_testcase="asked for TESTCASE=x, it exited with 0"),
        ),
        "asked for TESTCASE=x, it exited with 0",
        side=Side.SERVER,
    ),
    breaks(
        server_answers_the_readiness_probe,
        "it does not",
        SERVER_NOT_READY,
        "it answered no Version Negotiation probe",
        side=Side.SERVER,
    ),
    breaks(
        client_finishes_in_time,
        "it goes on",
        record(client=SideRecord(ending=Ending.OUT_OF_TIME, duration_s=60.004)),
        "it was not done after 60 s",
        side=Side.CLIENT,
    ),
    breaks(
        client_exits_with_0,
        "it fails",
        client(Ending.EXITED, 1),
        "it exited with 1",
        side=Side.CLIENT,
    ),
    breaks(
        client_exits_with_0,
        "it crashes",
        client(Ending.EXITED, signal=signal.SIGSEGV),
        "it was ended by SIGSEGV",
        side=Side.CLIENT,
    ),
    breaks(
        client_exits_with_0,
        "by a signal without a name",
        client(Ending.EXITED, signal=99),
        "it was ended by signal 99",
        side=Side.CLIENT,
    ),
    unexercised(client_exits_with_0, "it is stopped", client(Ending.OUT_OF_TIME, signal=9)),
    holds(files_arrive, "none were requested", record(www=(), downloads=())),
    breaks(
        files_arrive,
        "one is missing",
        downloads(),
        "1 of 1 files are missing: pqmzrtuxwv",
        side=None,
    ),
    breaks(
        files_arrive,
        "there is one too many, with a long name",
        downloads(FILE, replace(FILE, name="x" * 50)),
        f"1 that nobody asked for: {'x' * 40}...",
        side=None,
    ),
    breaks(
        files_arrive,
        "there are more than can be listed",
        downloads(FILE, complete=False),
        "/downloads holds more than can be looked at",
        side=None,
    ),
    breaks(
        files_arrive,
        "one is cut off",
        downloads(replace(FILE, size=1000, sha256="cd" * 32)),
        "pqmzrtuxwv has 1000 bytes instead of 1024",
        side=None,
    ),
    breaks(
        files_arrive,
        "one has other bytes",
        downloads(replace(FILE, sha256="cd" * 32)),
        "pqmzrtuxwv has the right size but other bytes",
        side=None,
    ),
    breaks(
        files_arrive,
        "one has other bytes from an offset on",
        downloads(replace(FILE, sha256="cd" * 32, difference=Difference(7, "00ff", "00fe"))),
        "pqmzrtuxwv has the right size but other bytes: at offset 7 is 00fe instead of 00ff",
        side=None,
    ),
    breaks(
        files_arrive,
        "one ends early",
        downloads(replace(FILE, size=7, sha256="cd" * 32, difference=Difference(7, "00ff", ""))),
        "pqmzrtuxwv has 7 bytes instead of 1024: at offset 7 is the end instead of 00ff",
        side=None,
    ),
    breaks(
        files_arrive,
        "one is a link",
        downloads(FileRecord(FILE.name, EntryKind.LINK)),
        "pqmzrtuxwv is no file, but: link",
        side=None,
    ),
    breaks(
        files_arrive,
        "many are missing",
        record(www=tuple(replace(FILE, name=name) for name in "abcd"), downloads=()),
        "4 of 4 files are missing: a, b, c, ...",
        side=None,
    ),
    holds(server_runs_until_it_is_stopped, "it is killed", server(Ending.KILLED, signal=9)),
    holds(server_runs_until_it_is_stopped, "SIGTERM ends it", server(Ending.STOPPED, signal=15)),
    breaks(
        server_runs_until_it_is_stopped,
        "it exits early",
        server(Ending.EXITED, 0),
        "it exited with 0",
        side=Side.SERVER,
    ),
    breaks(
        server_runs_until_it_is_stopped,
        "it crashes when it is stopped",
        server(Ending.STOPPED, signal=signal.SIGABRT),
        "it was ended by SIGABRT",
        side=Side.SERVER,
    ),
    breaks(
        server_stops_on_sigterm,
        "it does not",
        server(Ending.KILLED, signal=9),
        "it had to be killed",
        side=Side.SERVER,
    ),
    unexercised(server_stops_on_sigterm, "it has exited before", server(Ending.EXITED, 0)),
    breaks(
        endpoints_keep_to_their_log_limit,
        "the client does not",
        client(Ending.LOG_OVERFLOW, signal=9),
        "it flooded its log and was stopped",
        side=Side.CLIENT,
    ),
    breaks(
        endpoints_keep_to_their_memory_limit,
        "the server does not",
        server(Ending.EXITED, signal=9, out_of_memory=True),
        "it used more memory than it may",
        side=Side.SERVER,
    ),
    breaks(
        endpoints_keep_to_their_other_limits,
        "the client does not",
        client(Ending.EXITED, 0, exceeded=("512 processes",)),
        "it reached a limit: 512 processes",
        side=Side.CLIENT,
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
