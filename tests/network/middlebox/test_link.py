from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.network.impairments.fate import Dropped
from quicmatrix.runner.network.middlebox.link import QUEUE_FULL, Link

MS = 1_000_000
TEN_MBPS = 10_000_000

offers = st.lists(
    st.tuples(st.integers(0, 3 * MS), st.integers(20, 1500)), min_size=1, max_size=200
)
"""Pauses before offers, and lengths."""


def test_a_datagram_takes_its_transmission_time_and_the_delay() -> None:
    link = Link(TEN_MBPS, 15 * MS, 25)
    # 1252 bytes of UDP payload: 1280 of IP, 1282 with PPP, 10256 bits at 0.1 us each.
    assert link.offer(7, 1280) == 7 + 1_025_600 + 15 * MS


def test_an_idle_link_starts_at_once_and_a_busy_one_when_it_is_free() -> None:
    link = Link(TEN_MBPS, 0, 25)
    assert link.offer(0, 1280) == 1_025_600
    assert link.offer(500_000, 1280) == 2_051_200
    assert link.offer(10 * MS, 1280) == 10 * MS + 1_025_600


def test_one_is_transmitted_one_waits_in_the_device_and_queue_wait_before_it() -> None:
    link = Link(TEN_MBPS, 15 * MS, 25)
    outcomes = [link.offer(0, 1280) for _ in range(40)]
    assert [isinstance(one, int) for one in outcomes] == [True] * 27 + [False] * 13
    assert outcomes[27] == QUEUE_FULL


def test_a_place_is_free_again_when_the_next_transmission_starts() -> None:
    link = Link(TEN_MBPS, 0, 1)
    assert [link.offer(0, 1248) for _ in range(4)] == [1 * MS, 2 * MS, 3 * MS, QUEUE_FULL]
    assert link.offer(1 * MS - 1, 1248) == QUEUE_FULL
    assert link.offer(1 * MS, 1248) == 4 * MS
    assert link.offer(1 * MS, 1248) == QUEUE_FULL


def test_a_saturated_link_has_exactly_its_rate() -> None:
    link = Link(TEN_MBPS, 15 * MS, 25)
    delivered = 0
    last = 0
    for now_ns in range(0, 10_000 * MS, MS // 2):
        due = link.offer(now_ns, 1248)
        if isinstance(due, int):
            delivered, last = delivered + 1, due
    assert last - 15 * MS == delivered * 1250 * 8 * 100
    assert delivered == 10_000 + 26  # those in the queue at the end came within the ten seconds


@given(offers, st.integers(1, 30), st.sampled_from([10**5, 10**7, 10**9, 3_333_333]))
def test_it_behaves_as_the_device_and_queue_of_ns_3(
    pauses: list[tuple[int, int]], queue: int, bandwidth: int
) -> None:
    link, reference = Link(bandwidth, 15 * MS, queue), DeviceAndQueue(bandwidth, queue)
    now_ns = 0
    expected = []
    answers = []
    for pause_ns, length in pauses:
        now_ns += pause_ns
        expected.append(reference.send(now_ns, length))
        answers.append(link.offer(now_ns, length))
    reference.run_until(1 << 62)
    assert [isinstance(one, Dropped) for one in answers] == [one is None for one in expected]
    arrived = [one for one in answers if isinstance(one, int)]
    assert arrived == [ended + 15 * MS for ended in reference.transmitted]
    assert arrived == sorted(arrived)


class DeviceAndQueue:
    """ns-3's PointToPointNetDevice with a queue of one below a queue discipline, event by event."""

    def __init__(self, bandwidth: int, queue: int) -> None:
        self._bandwidth = bandwidth
        self._limit = queue
        self._transmitting_until: int | None = None
        self._device_queue: deque[int] = deque()
        self._discipline: deque[int] = deque()
        self.transmitted: list[int] = []

    def send(self, now_ns: int, length: int) -> bool | None:
        self.run_until(now_ns)
        if len(self._discipline) >= self._limit:
            return None
        self._discipline.append(length)
        self._run_discipline(now_ns)
        return True

    def run_until(self, now_ns: int) -> None:
        while self._transmitting_until is not None and self._transmitting_until <= now_ns:
            ended = self._transmitting_until
            self.transmitted.append(ended)
            self._transmitting_until = None
            self._start(ended)
            self._run_discipline(ended)

    def _run_discipline(self, now_ns: int) -> None:
        while self._discipline and not self._device_queue:
            self._device_queue.append(self._discipline.popleft())
            if self._transmitting_until is None:
                self._start(now_ns)

    def _start(self, now_ns: int) -> None:
        if self._device_queue:
            length = self._device_queue.popleft()
            self._transmitting_until = now_ns + (length + 2) * 8 * 10**9 // self._bandwidth


def test_what_waits_can_be_counted_at_any_time() -> None:
    link = Link(10_000_000, 0, 2)
    for _ in range(5):
        link.offer(0, 1248)
    times = (0, 999_999, 1_000_000, 2_000_000, 3_000_000, 9_000_000)
    assert [link.waiting(now_ns) for now_ns in times] == [3, 3, 2, 1, 0, 0]
