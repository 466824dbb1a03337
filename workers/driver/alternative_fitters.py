"""A fitter of values that may be of one type or another."""

from __future__ import annotations

from typing import Any

from workers.driver.fitter import Fitter, Unfit


def union_fitter(choices: list[Fitter | None]) -> Fitter | None:
    """Of alternatives: as it is if it is one of them, else made the first that it can be."""
    known = [choice for choice in choices if choice is not None]
    if len(known) < len(choices):
        return None  # one of them takes anything
    if len(known) == 1:
        return known[0]
    wanted = " or ".join(dict.fromkeys(choice.wanted for choice in known))

    def convert(value: Any) -> Any:
        made: list[Any] = []
        reasons: list[Unfit] = []
        for choice in known:
            try:
                fitted = choice(value)
            except Unfit as unfit:
                reasons.append(unfit)
                continue
            if fitted is value:
                return value
            made.append(fitted)
        if made:
            return made[0]
        # what is wrong inside says more than that it is none of them
        inner = next((unfit for unfit in reasons if unfit.path), None)
        mends = "; ".join(dict.fromkeys(unfit.mend for unfit in reasons if unfit.mend))
        raise inner or Unfit(value, wanted, mends)

    return Fitter(wanted, convert, frozenset().union(*(choice.exact for choice in known)))
