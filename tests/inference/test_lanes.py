import threading
import time

import pytest

from tests.processes import HANG_S
from vmamba_deploy.errors import VmambaError
from vmamba_deploy.inference.lanes import LanePool


class Lane:
    """Counts the threads inside it; the first waits for `company`, threads inside other lanes."""

    def __init__(self, company=None):
        self.company = company
        self.inside = self.most = self.calls = 0
        self.closed = False

    def __call__(self, pixels):
        assert not self.closed
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.company and not self.calls:
            self.company.wait(HANG_S)
        time.sleep(0.002)
        self.inside -= 1
        self.calls += 1
        return pixels

    def close(self):
        assert self.inside == 0
        self.closed = True


def in_threads(count, work):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=HANG_S)
    assert not any(thread.is_alive() for thread in threads)


def test_a_lane_serves_one_thread_at_a_time_and_all_lanes_serve():
    company = threading.Barrier(3)
    lanes = [Lane(company), Lane(company), Lane(company)]
    pool = LanePool(lanes)

    def work():
        for _ in range(10):
            with pool.take() as lane:
                lane(None)

    in_threads(8, work)
    assert [lane.most for lane in lanes] == [1, 1, 1]
    assert sum(lane.calls for lane in lanes) == 80
    assert min(lane.calls for lane in lanes) > 0


def test_the_lane_given_back_last_is_taken_first():
    pool = LanePool([Lane(), Lane()])
    with pool.take() as warm:
        pass
    with pool.take() as again:
        assert again is warm


def test_a_call_that_raises_gives_its_lane_back():
    pool = LanePool([Lane()])
    with pytest.raises(ZeroDivisionError), pool.take():
        raise ZeroDivisionError
    with pool.take() as lane:
        assert lane(1) == 1


def test_closing_waits_for_calls_and_refuses_the_ones_that_wait():
    lane = Lane()
    pool = LanePool([lane])
    refused, started = [], threading.Event()

    def holds():
        with pool.take() as taken:
            started.set()
            time.sleep(0.1)
            taken(None)

    def waits():
        try:
            with pool.take() as taken:
                taken(None)
        except VmambaError as error:
            refused.append(error.message)

    threads = [threading.Thread(target=work) for work in (holds, waits, waits)]
    threads[0].start()
    started.wait(timeout=HANG_S)
    for thread in threads[1:]:
        thread.start()
    pool.close()
    for thread in threads:
        thread.join(timeout=HANG_S)
    assert not any(thread.is_alive() for thread in threads)
    assert lane.closed
    # Those that waited either came before the close or were told.
    assert lane.calls + len(refused) == 3
    with pytest.raises(VmambaError, match="closed"), pool.take():
        pass
    pool.close()
