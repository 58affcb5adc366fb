"""Many similar events become few, as in a real cluster."""

from pocket_cluster.api.event_correlation import BURST, MOST_SIMILAR, Correlator, Told

CREATED = ("Normal", "SuccessfulCreate")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def tell(correlator: Correlator, number: int, about: str = "u") -> list[Told | None]:
    return [correlator.correlate(about, CREATED, f"Created pod: {each}") for each in range(number)]


def test_the_tenth_of_a_kind_and_all_after_it_share_one_event() -> None:
    told = tell(Correlator(Clock()), 12)
    keys = [each.key for each in told if each]
    assert len(set(keys)) == MOST_SIMILAR
    assert keys[9] == keys[10] == keys[11]
    assert told[11] == Told(("u", *CREATED), "(combined from similar events): Created pod: 11")


def test_the_same_again_is_the_same_event() -> None:
    correlator = Correlator(Clock())
    assert len({correlator.correlate("u", CREATED, "again") for _ in range(20)}) == 1


def test_after_ten_quiet_minutes_events_are_told_one_by_one_again() -> None:
    clock = Clock()
    correlator = Correlator(clock)
    tell(correlator, 12)
    clock.now += 601
    told = correlator.correlate("u", CREATED, "another")
    assert told is not None
    assert told.message == "another"


def test_of_one_object_there_are_25_at_once_and_then_one_in_five_minutes() -> None:
    clock = Clock()
    correlator = Correlator(clock)
    assert sum(each is not None for each in tell(correlator, 40)) == BURST
    assert sum(each is not None for each in tell(correlator, 40, "another")) == BURST
    clock.now += 300
    assert sum(each is not None for each in tell(correlator, 5)) == 1


def test_what_has_been_quiet_for_ten_minutes_is_forgotten() -> None:
    clock = Clock()
    correlator = Correlator(clock)
    for about in "abc":
        tell(correlator, 1, about)
        clock.now += 300
    assert len(correlator._kinds) == 3
    clock.now += 301
    tell(correlator, 1, "d")
    assert len(correlator._kinds) == 1
