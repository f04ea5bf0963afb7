from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.sandbox.netns import launch
from quicmatrix.runner.sandbox.netns.launch import decode, encode

words = st.binary(max_size=20).filter(lambda word: b"\0" not in word)
names = words.filter(lambda word: word != b"" and b"=" not in word)


@given(words, st.lists(words, min_size=1), st.dictionaries(names, words))
def test_what_is_encoded_is_decoded(
    cwd: bytes, command: list[bytes], environment: dict[bytes, bytes]
) -> None:
    assert decode(encode(cwd, command, environment)) == (cwd, command, environment)


@pytest.mark.parametrize(
    ("command", "environment"), [([b"a\0b"], {}), ([b"a"], {b"A\0": b""}), ([b"a"], {b"A": b"\0"})]
)
def test_nul_is_refused(command: list[bytes], environment: dict[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="NUL"):
        encode(b"/", command, environment)


def start(message: bytes) -> tuple[bytes, int, bytes]:
    """Run the script as a host does: its answer, its exit code and what the program printed."""
    ours, theirs = socket.socketpair()
    answers, far = socket.socketpair()
    with ours, answers:
        with theirs, far:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", launch.__file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdout=subprocess.PIPE,
            )
            assert ours.recv(10) == b"!"
            socket.send_fds(ours, [b"!"], [far.fileno()])
        ours.sendall(message)
        ours.shutdown(socket.SHUT_WR)
        with process:
            answer = answers.recv(1000)
            output, _ = process.communicate()
        return answer, process.returncode, output


def test_a_program_gets_what_was_sent_and_nothing_else() -> None:
    script = b'printf \'%s|\' "$0" "$@"; ls /proc/self/fd | wc -l; env'
    message = encode(b"/usr", [b"sh", b"-c", script, b"\xff", b""], {b"PATH": b"/usr/bin:/bin"})
    answer, code, output = start(message)
    assert (answer, code) == (b"", 0)
    assert output == b"\xff||4\nPATH=/usr/bin:/bin\nPWD=/usr\n"  # 0, 1, 2, and the one of ls


def test_the_answer_says_why_there_is_no_program() -> None:
    assert start(encode(b"/", [b"/no/such"], {})) == (
        b"/no/such: No such file or directory",
        127,
        b"",
    )
    assert start(encode(b"/no/such", [b"sh"], {}))[0] == b"/no/such: No such file or directory"
    assert start(encode(b"/", [b"/etc/passwd"], {}))[0] == b"/etc/passwd: Permission denied"


def test_without_a_message_nothing_runs() -> None:
    assert start(b"") == (b"", 1, b"")
