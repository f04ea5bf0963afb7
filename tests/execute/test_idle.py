from __future__ import annotations

from quicmatrix.runner.execute.idle import STAT, CpuTime, cpu_time


def test_idle_and_waiting_for_a_disk_are_idle_and_guests_count_once() -> None:
    text = "cpu  100 10 40 800 30 5 10 5 60 6\ncpu0 1 2 3 4\nintr 5\n"
    assert cpu_time(text) == CpuTime(830, 1000)


def test_the_share_between_two_looks() -> None:
    assert CpuTime(180, 400).idle_share_since(CpuTime(100, 200)) == 0.4
    assert CpuTime(100, 200).idle_share_since(CpuTime(100, 200)) is None


def test_this_machine_can_be_looked_at() -> None:
    now = cpu_time(STAT.read_text())
    assert 0 < now.idle <= now.total
