"""Timing things side by side, so that a busy machine slows them down alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """What an interleaved measurement found.

    Attributes:
        milliseconds: Median time of a call, by name.
        ratio: Median over all rounds of the first one's time to the second one's.
    """

    milliseconds: dict[str, float]
    ratio: float

    @classmethod
    def of(cls, seconds: dict[str, list[float]]) -> "Timing":
        """Sums up the seconds of every round, by name."""
        first, second, *_ = seconds.values()
        return cls(
            {name: 1000 * statistics.median(times) for name, times in seconds.items()},
            statistics.median(a / b for a, b in zip(first, second, strict=True)),
        )


def compare(calls: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 3) -> Timing:
    """Times calls in turn, round after round, and compares the first with the second.

    Args:
        calls: What is timed, by name.
        rounds: How many times each is timed.
        warm_up: Untimed rounds before, in which graphs are traced and caches fill.
    """
    return take_turns({name: _timed(call) for name, call in calls.items()}, rounds, warm_up)


def take_turns(turns: Mapping[str, Callable[[], float]], rounds: int, warm_up: int = 1) -> Timing:
    """Compares as `compare` does, but with turns that return their own seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for round_ in range(-warm_up, rounds):
        for name in turns if round_ % 2 else reversed(list(turns)):
            taken = turns[name]()
            if round_ >= 0:
                seconds[name].append(taken)
    return Timing.of(seconds)


def _timed(call: Callable[[], object]) -> Callable[[], float]:
    def turn() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    return turn
