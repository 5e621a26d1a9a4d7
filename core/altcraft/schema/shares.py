"""What a table of channels compares them by. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["in_order", "shares"]


def in_order(counts: Sequence[Mapping[str, object]], documented: Sequence[str]) -> list[str]:
    """The counters that some channel has: the documented ones in the documentation's order, then the others."""
    sent = list(dict.fromkeys(name for channel in counts for name in channel))
    return [name for name in documented if name in sent] + [name for name in sent if name not in documented]


def shares(
    counts: Sequence[Mapping[str, object]], counters: Sequence[str], total: int | None
) -> tuple[tuple[str, str] | None, list[float | None]]:
    """What the channels are compared by, such as ("subscribed", "of all"), and the share of each, from 0 to 1.

    The whole is the channel's `all`, else `total`, else the largest channel. None where there is nothing to compare.
    """
    numbers = [{name: count for name, count in channel.items() if type(count) is int} for channel in counts]
    candidates = ["subscribed", "subscribed_sendable", *(name for name in counters if name != "all")]
    name = next((name for name in candidates if any(name in channel for channel in numbers)), None)
    if name is None:
        return None, [None] * len(numbers)
    if all(channel.get("all") for channel in numbers if name in channel):
        measure = (name, "of all")
        wholes = [channel.get("all", 0) for channel in numbers]
    elif total:
        measure = (name, f"of {total}")
        wholes = [total] * len(numbers)
    else:
        measure = (name, "of the largest")
        wholes = [max(channel[name] for channel in numbers if name in channel)] * len(numbers)
    return measure, [
        _share(channel[name], whole) if name in channel else None
        for channel, whole in zip(numbers, wholes, strict=True)
    ]


def _share(part: int, whole: int) -> float | None:
    try:
        return min(1.0, max(0.0, part / whole))
    except ArithmeticError:  # a whole of 0, or numbers beyond any float
        return None
