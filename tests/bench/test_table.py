"""Owns the tests of a bench's arithmetic: ratios by pairs, and the lines that a script reads."""

from tests.bench import table
from tests.bench.measures import MEGABYTES, RATE, SECONDS
from tests.bench.table import Found


def found_rates() -> Found:
    found = Found()
    for number, (ours, theirs) in enumerate([(500.0, 100.0), (900.0, 300.0), (800.0, 400.0)]):
        found.add("toaster", number, {"local_kept_50": (ours, RATE)})
        found.add("peers", number, {"local_kept_50": (theirs, RATE)})
    return found


def test_a_ratio_is_the_median_of_pairs_of_one_round() -> None:
    lines = list(table.for_a_script(found_rates()))

    assert ["local_kept_50 3.00"] == lines


def test_a_round_that_one_side_failed_makes_no_pair() -> None:
    found = found_rates()

    found.add("toaster", 3, {"local_kept_50": (9000.0, RATE)})

    assert [5.0, 3.0, 2.0] == found.ratios("local_kept_50")


def test_of_seconds_fewer_are_better_and_hundredths_are_alike() -> None:
    found = Found()
    found.add("toaster", 0, {"tail": (0.0, SECONDS), "large": (0.5, SECONDS)})
    found.add("peers", 0, {"tail": (0.004, SECONDS), "large": (2.0, SECONDS)})

    assert ["tail 1.00", "large 4.00"] == list(table.for_a_script(found))


def test_what_has_no_peer_is_told_as_it_is() -> None:
    found = Found()
    found.add("toaster", 0, {"dot_qmail_forward": (1234.4, RATE)})

    assert ["dot_qmail_forward_rate 1234"] == list(table.for_a_script(found))


def test_memory_is_told_in_megabytes_besides() -> None:
    found = Found()
    found.add("toaster", 0, {"idle_memory": (100.0, MEGABYTES)})
    found.add("peers", 0, {"idle_memory": (10.0, MEGABYTES)})

    assert ["idle_memory 0.10", "idle_memory_mb 100.0"] == list(table.for_a_script(found))


def test_what_only_one_side_did_still_has_its_row() -> None:
    found = Found()
    found.add("peers", 0, {"local_new_10": (600.0, RATE)})

    (_, row) = table.for_a_person(found)

    assert ["local_new_10", "-", "600", "/s"] == row.split()[:4]


def test_processor_time_is_told_by_message() -> None:
    rows = list(table.of_processor({"local": {"send": 0.2, "idler": 0.0, "messages": 1000.0}}))

    assert [["local"], ["send", "200"], ["together", "200"]] == [row.split() for row in rows]


def test_measures_with_long_names_stay_apart() -> None:
    used = {"submission_kept_10": {"send": 0.1, "messages": 100.0}, "pop3_login_again": {"messages": 100.0}}

    rows = list(table.of_processor(used))

    assert ["submission_kept_10", "pop3_login_again"] == rows[0].split()
    assert 1 == len({len(row) for row in rows})


def test_a_bench_that_was_cut_off_before_its_first_measure_has_an_empty_table() -> None:
    assert [""] == [row.strip() for row in table.of_processor({})]
