"""The second thread: work in order, errors handed back, answers in the loop's own thread."""

import select
import threading

from appliance.send.disk import Disk


def finish(disk: Disk) -> None:
    while not disk.is_idle:
        select.select([disk.wakeup], [], [], 60)
        disk.act()


def test_work_is_done_in_order_and_answered_by_the_loop() -> None:
    disk, order = Disk(), list[str]()
    threads = set[int]()

    for name in "abc":
        disk.do(lambda name=name: order.append(name), lambda error: threads.add(threading.get_ident()))  # type: ignore[misc]
    finish(disk)
    disk.close()

    assert list("abc") == order
    assert {threading.get_ident()} == threads


def test_an_error_of_the_disk_is_handed_back() -> None:
    disk, errors = Disk(), list[OSError | None]()

    def failing() -> None:
        raise OSError(28, "No space left on device")

    disk.do(failing, errors.append)
    finish(disk)
    disk.close()

    assert isinstance(errors[0], OSError)
    assert 28 == errors[0].errno


def test_acting_with_nothing_finished_does_nothing() -> None:
    disk = Disk()

    disk.act()

    assert disk.is_idle
    disk.close()
