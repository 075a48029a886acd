"""What an agent refuses: an environment that looks otherwise, or whose numbers would mean something else."""

import warnings
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from tradeready_gym.agents import AgentBundle, DataIdentity
from tradeready_gym.agents.versions import MismatchWarning
from tradeready_gym.engine import Engine
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.market import Candles, Span, format_time
from tradeready_gym.strategies.learned import Learned, spans_of
from tradeready_gym.strategies.native import NativeEnvironment, interface_of

ALLOWED = ("anchor", "data", "versions")


def allowed_of(allow: str | Iterable[str]) -> frozenset[str]:
    """The mismatches that somebody accepts, by name; raises `UnknownName` for one that cannot be accepted."""
    names = frozenset([allow] if isinstance(allow, str) else allow)
    for name in sorted(names):
        if name not in ALLOWED:
            raise UnknownName("mismatch to allow", name, ALLOWED)
    return names


def identities_of(engine: Engine) -> tuple[DataIdentity, ...]:
    """The candles that an engine plays, each data set from its first candle to the end of what is played."""
    ends = [span.end for span in spans_of(engine)]
    return tuple(
        DataIdentity.from_candles(replayer.candles.between(None, end))
        for replayer, end in zip(engine.replayers, ends, strict=True)
    )


def refuse_mismatch(
    bundle: AgentBundle, learned: Sequence[Learned], environment: NativeEnvironment, allow: Collection[str] = ()
) -> None:
    """Raise `ConfigurationError` unless an agent means the same in an environment as where it was trained.

    Observations, actions and features are compared by the agent's interface. Where a feature's numbers depend on the first
    candle (an infinite `anchor_tolerance`), data that begin elsewhere are refused unless `allow` has "anchor". Candles that were
    learned from and have other numbers now, of the same source, are refused unless it has "data"; where another source has other
    closes, a `MismatchWarning` says so. Another market under the same name, such as a simulated one of another seed, is neither.
    """
    bundle.interface.refuse(interface_of(environment))
    sets = _visible(environment.engine)
    if "anchor" not in allow:
        _refuse_anchors(bundle, environment.engine, sets)
    if "data" not in allow:
        for candles in sets:
            _refuse_revised(bundle.data, learned, candles)


def _visible(engine: Engine) -> list[Candles]:
    # a live market has room for candles that nobody has seen yet
    so_far = [getattr(replayer, "candles_so_far", None) for replayer in engine.replayers]
    return [
        replayer.candles if seen is None else seen() for replayer, seen in zip(engine.replayers, so_far, strict=True)
    ]


def _refuse_anchors(bundle: AgentBundle, engine: Engine, sets: Sequence[Candles]) -> None:
    forever = [feature.name for feature in engine.pipeline.market_features if np.isinf(feature.anchor_tolerance)]
    anchors = sorted({identity.anchor for identity in bundle.data})
    others = sorted({format_time(candles.start) for candles in sets} - set(anchors))
    if forever and others:
        raise ConfigurationError(
            f"this strategy was trained with {', '.join(map(repr, forever))}, whose numbers depend on the first candle of the "
            f"data for ever, on data that begin at the anchor {', '.join(anchors)}; the environment's begin at "
            f"{', '.join(others)}: they would mean something else. Build it on data that begin there, train with features "
            f"that forget, or accept it with allow='anchor'"
        )


def _refuse_revised(known: Sequence[DataIdentity], learned: Sequence[Learned], candles: Candles) -> None:
    mine = [identity for identity in known if set(identity.symbols) & set(candles.symbols)]
    answers = [(lesson, answer) for lesson in learned if (answer := lesson.is_same_in(candles)) is not None]
    if not mine or not answers:
        return  # another market
    # where a span is not covered as a whole, what the witnesses say has to be enough
    covered = [answer for answer in (identity.is_in(candles) for identity in mine) if answer is not None]
    own = candles.source in {identity.source for identity in mine}
    # of several data sets of one symbol and time, such as two venues, each is one of them and none is all
    same = [lesson.span for lesson, answer in answers if answer]
    revised = any(not answer and not _beside(lesson.span, same) for lesson, answer in answers)
    # other wicks and volumes of another source are another venue's
    if not revised and (any(covered) or not covered or not own):
        return
    identity = mine[0]
    said = (
        f"this strategy has learned from {'/'.join(identity.symbols)} {identity.timeframe} of {identity.source} from "
        f"{identity.anchor} to {identity.end}; the environment's data of {candles.source} have other numbers there"
    )
    if not own:
        warnings.warn(f"{said}. allow='data' says nothing of it", MismatchWarning, stacklevel=5)
        return
    if identity.source.startswith("synthetic("):
        raise ConfigurationError(
            f"{said}: a synthetic series has prices that begin anew where it begins, and the environment's begins at "
            f"{format_time(candles.start)}. Play one that begins at {identity.anchor}, or train again: every series of "
            f"data='synthetic' from 2021 on has the same prices. Or accept it with allow='data'"
        )
    raise ConfigurationError(
        f"{said}: they were revised (SHA-256 {identity.fingerprint[:12]}... then). Train on the data as they are, bring the "
        f"old ones back, or accept it with allow='data'"
    )


def _beside(span: Span, others: Sequence[Span]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)
