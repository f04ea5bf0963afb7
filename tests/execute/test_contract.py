from __future__ import annotations

from quicmatrix.runner.execute.contract import environment, job_environment
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import TestCase

CASE = TestCase("keyupdate", "U", "It works.", "keyupdate", "transfer", (), server_name="server6")


def test_the_client_is_told_its_test_and_the_urls() -> None:
    variables = job_environment(Side.CLIENT, CASE, ["one", "two"])
    assert variables["ROLE"] == "client"
    assert variables["TESTCASE"] == "keyupdate"
    assert variables["REQUESTS"] == "https://server6:443/one https://server6:443/two"
    assert variables["SSLKEYLOGFILE"] == "/logs/keys.log"
    assert variables["QLOGDIR"] == "/logs/qlog/"
    assert variables["CLIENT_PARAMS"] == ""


def test_without_files_the_url_has_an_empty_path() -> None:
    assert job_environment(Side.CLIENT, CASE, [])["REQUESTS"] == "https://server6:443/"


def test_the_server_is_told_its_own_test_and_no_urls() -> None:
    variables = job_environment(Side.SERVER, CASE, ["one"])
    assert (variables["ROLE"], variables["TESTCASE"]) == ("server", "transfer")
    assert "REQUESTS" not in variables
    assert variables["SERVER_PARAMS"] == ""


def test_nothing_of_the_runners_environment_is_passed_on() -> None:
    assert set(environment(Side.SERVER, "x")) == {
        *("ROLE", "TESTCASE", "SSLKEYLOGFILE", "QLOGDIR", "SERVER_PARAMS"),
    }
