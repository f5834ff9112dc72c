"""The one exception that means: the user can mend this."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Bad input, told in one line: the value, what was wanted, what to do.

    The command line prints it without a traceback and exits with status 2.
    """


def did_you_mean(value: str, choices: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the nearest of ``choices``, or an empty string."""
    named = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(value.lower(), named, n=1, cutoff=0.6)
    return f"; did you mean {named[near[0]]!r}?" if near else ""


def refuse_repeats(option: str, values: Iterable[object]) -> None:
    """UserError where a list holds a value twice: its rows would stand in a table under one name."""
    seen = set()
    for value in values:
        if value in seen:
            raise UserError(f"{option} holds {value!r} twice; give each once")
        seen.add(value)


def unknown_choice(kind: str, value: str, choices: Iterable[str]) -> UserError:
    """The error for a value outside a fixed set: names it, lists the set, guesses what was meant."""
    choices = sorted(map(str, choices))
    return UserError(f"unknown {kind} {value!r}; choose from {', '.join(choices)}{did_you_mean(str(value), choices)}")
