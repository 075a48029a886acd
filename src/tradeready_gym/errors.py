"""Every error that the project raises on purpose.

    TradeReadyError
    ├── DataError (ValueError)            candles that cannot be what they claim to be
    │   └── DataUnavailable               a range that is nowhere to be had; names the span and the ways out
    ├── DownloadError                     a source answered, but not with the file that was asked for
    │   └── HostUnreachable               it does not answer, or refuses everything: no use in asking for the next file
    ├── StoreError                        a file of ours on disk is damaged or of another kind
    ├── ConfigurationError (ValueError)   two parts disagree, or an argument is outside its domain
    │   ├── UnknownName (KeyError too)    a symbol, feature, reward ... that nobody registered
    │   └── NotFitted                     something learned from data was used before it was fitted
    ├── CausalityError                    a feature whose value depends on later candles
    ├── ActionError (ValueError)          an action outside its space, or not a number
    ├── EpisodeError (RuntimeError)
    │   └── ResetNeeded                   step() before reset(), or after the end
    ├── CheckFailed (AssertionError)      a checker's finding about somebody's environment or component
    ├── AccountsDisagree              an account here and the one on the platform that should be the same are not
    ├── PlatformUnavailable               api_key= was given and no platform answers
    └── PlatformRefused                   it answers, and does not take the key

Programming mistakes (a wrong type, two arguments that exclude each other) stay TypeError and ValueError.
"""

import difflib
from collections.abc import Iterable


class TradeReadyError(Exception):
    """Root of the tree: `except TradeReadyError` catches what this project raises on purpose."""


class DataError(TradeReadyError, ValueError):
    """Candles that cannot be what they claim to be."""


class DataUnavailable(DataError):
    """The range that was asked for is neither stored, nor packaged, nor reachable."""


class DownloadError(TradeReadyError):
    """A source answered, but not with the file that was asked for."""


class HostUnreachable(DownloadError):
    """No connection to the host at all, or nothing but refusals; found out within seconds."""


class StoreError(TradeReadyError):
    """A file of ours on disk is damaged, or of another kind."""


class ConfigurationError(TradeReadyError, ValueError):
    """Two parts disagree, or an argument is outside its domain."""


class UnknownName(ConfigurationError, KeyError):
    """A name that nobody registered; the message lists the known ones, sorted unless `in_order`, and the nearest match."""

    def __init__(
        self, kind: str, name: object, known: Iterable[str], hint: str = "", *, in_order: bool = False
    ) -> None:
        names = list(known) if in_order else sorted(known)
        super().__init__(f"unknown {kind} {name!r}; known: {', '.join(names)}.{nearest(name, names)}{hint}")

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the repr


def nearest(name: object, known: Iterable[str]) -> str:
    """The hint "Did you mean 'X'?" with the known name most like `name`, or nothing if none is."""
    near = difflib.get_close_matches(str(name), sorted(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def require_instance(kind: str, given: object, base: str) -> None:
    """Raise `TypeError` for a class or a function where an instance (or a name) of a component belongs.

    `kind` is what errors call the component, `base` the class that one's own derive from.
    """
    if isinstance(given, type):
        raise TypeError(
            f"the {kind} must be an instance or a name; got the class: pass an instance: {given.__name__}()"
        )
    if callable(given):
        raise TypeError(
            f"the {kind} must be an instance or a name; got a function, {given!r}: derive from {base}, and pass an instance "
            "of your class"
        )


class NotFitted(ConfigurationError):
    """Something learned from data was used before it was fitted."""


class CausalityError(TradeReadyError):
    """A feature whose value at a candle depends on later candles."""


class ActionError(TradeReadyError, ValueError):
    """An action outside its space, or not a number."""


class EpisodeError(TradeReadyError, RuntimeError):
    """A call that the episode's state does not allow."""


class ResetNeeded(EpisodeError):
    """`step()` before `reset()`, or after the end of the episode."""


class CheckFailed(TradeReadyError, AssertionError):
    """A checker's finding about an environment or a component."""


class AccountsDisagree(TradeReadyError):
    """An account in this process and the one on the platform that should be the same are not; says the first difference."""


class PlatformUnavailable(TradeReadyError):
    """`api_key=` was given and no platform answers."""


class PlatformRefused(TradeReadyError):
    """The platform answers, and does not take the key, or is none."""
