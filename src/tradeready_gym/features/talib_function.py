"""Any function of TA-Lib, with its parameters (TA-Lib is imported when one is made)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.features.base import Feature, FloatArray, LibraryFeature, feature_values
from tradeready_gym.features.sources import Source, source_of

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles

# Sums from the first candle on, or places counted from it: another anchor, other numbers, for ever.
CUMULATIVE: Final = (
    *("AD", "CUMSUM", "MAXINDEX", "MININDEX", "MINMAXINDEX", "NVI", "OBV", "PVI", "PVT", "VWAP", "WAD"),
    *("SAR", "SAREXT", "SUPERTREND"),
)
# Recursive averages that TA-Lib does not flag as such, as it does with EMA or RSI.
RECURSIVE: Final = (
    *("ADOSC", "ADXR", "APO", "CVI", "DEMA", "EFI", "ERI", "KC", "KDJ", "MACD", "MACDEXT", "MACDFIX", "MASSI", "PPO"),
    *("PVO", "SMI", "STOCHRSI", "TEMA", "TRIX", "TSI", "ZLEMA"),
)
_WINDOWED_AVERAGES: Final = (0, 2, 5)  # simple, weighted, triangular; every other `matype` is recursive
_FORM: Final = re.compile(r"talib:([a-z0-9_]+)(?:\((.*)\))?", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, init=False)
class TALib(LibraryFeature):
    """`talib:<FUNCTION>(<parameters>)`: a function of TA-Lib by its name, on the candles' own columns.

        TALib("STOCH", fastk_period=5, output="slowk")
        "talib:STOCH(fastk_period=5, output=slowk)"       # the same by name, as in observation_features
        TALib("CORREL", inputs=("close", "volume"), timeperiod=30)

    Args:
        function: its name in TA-Lib, in any case.
        output: one of its outputs by name; all of them, in TA-Lib's order, by default.
        inputs: what it is given instead of its usual columns: names of columns, or features of one column.
        parameters: TA-Lib's own, with its defaults.

    The warm-up is TA-Lib's lookback, and ten times that (at least 50 candles) for functions that remember for ever:
    recursive averages forget their start by then, to 5e-3 of a standard deviation; sums from the first candle and trailing
    stops (AD, OBV, SAR, ...) never agree between anchors, so their `anchor_tolerance` is infinite. Values are TA-Lib's, in
    its units and without bounds.

    Raises:
        UnknownName: there is no such function, output or parameter.
        ConfigurationError: a parameter is outside its domain, or the number of inputs is wrong.
    """

    function: str
    output: str | None
    inputs: tuple[Source, ...]
    parameters: tuple[tuple[str, float], ...]

    def __init__(
        self, function: str, output: str | None = None, inputs: Sequence[Source] = (), **parameters: float
    ) -> None:
        functions = _library().get_functions()
        if str(function).upper() not in functions:
            raise UnknownName("TA-Lib function", function, functions)
        name = function.upper()
        known = _info(name)["parameters"]
        for key in parameters:
            if key not in known:
                raise UnknownName(f"parameter of {name}", key, known)
        chosen = {key: parameters[key] for key in known if key in parameters and parameters[key] != known[key]}
        object.__setattr__(self, "function", name)
        object.__setattr__(self, "output", output)
        object.__setattr__(self, "inputs", _inputs(name, inputs))
        object.__setattr__(self, "parameters", tuple((key, _like(known[key], chosen[key], key)) for key in chosen))
        if output is not None and output not in _info(name)["output_names"]:
            raise UnknownName(f"output of {name}", output, _info(name)["output_names"])
        self._require_usable()

    def __repr__(self) -> str:
        parts = [repr(self.function)]
        parts += [f"output={self.output!r}"] if self.output else []
        parts += [f"inputs={self.inputs!r}"] if self.inputs else []
        return f"TALib({', '.join([*parts, *(f'{key}={value!r}' for key, value in self.parameters)])})"

    @classmethod
    def parse(cls, text: str) -> "TALib":
        """The function that `talib:NAME(key=value, ...)` names; columns of `inputs` are joined by `+`."""
        form = _FORM.fullmatch(text.strip())
        if form is None:
            raise ConfigurationError(f"a TA-Lib feature is named like 'talib:RSI(timeperiod=21)', got {text!r}")
        arguments: dict[str, Any] = {}
        for part in filter(None, (part.strip() for part in (form[2] or "").split(","))):
            key, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals:
                raise ConfigurationError(f"{text!r} needs 'name=value' for each parameter, got {part!r}")
            arguments[key] = _argument(text, key, value)
        return cls(form[1], **arguments)

    @property
    def name(self) -> str:
        parts = [f"{key}={value}" for key, value in self.parameters]
        parts += [f"inputs={'+'.join(source_of(source).name for source in self.inputs)}"] if self.inputs else []
        parts += [f"output={self.output}"] if self.output else []
        return f"talib:{self.function}" + (f"({', '.join(parts)})" if parts else "")

    @property
    def column_names(self) -> tuple[str, ...]:
        names = _info(self.function)["output_names"]
        return (self.name,) if self.output or len(names) == 1 else tuple(f"{self.name}.{name}" for name in names)

    @property
    def warmup_bars(self) -> int:
        return max((feature.warmup_bars for feature in self._features()), default=0) + self._own_bars()

    @property
    def anchor_tolerance(self) -> float:
        if self.function in CUMULATIVE:
            return np.inf
        own = 5e-3 if self._remembers() else 1e-6  # running sums keep the rounding of what has left them
        return max([own, *(feature.anchor_tolerance for feature in self._features())])

    @property
    def causality_tolerance(self) -> float:
        return max((feature.causality_tolerance for feature in self._features()), default=0.0)

    def warmup_on(self, candles: "Candles") -> int:
        return max((feature.warmup_on(candles) for feature in self._features()), default=0) + self._own_bars()

    def compute(self, candles: "Candles", symbol_index: int) -> FloatArray:
        columns = [feature_values(feature, candles, symbol_index)[:, 0] for feature in self._features()]
        result = np.full((len(candles), self.width), np.nan)
        known = np.isfinite(np.stack(columns)).all(axis=0)
        first = int(known.argmax()) if known.any() else len(candles)
        if len(candles) - first <= self._lookback():
            return result
        outputs = getattr(_library(), self.function)(
            *(np.ascontiguousarray(column[first:]) for column in columns), **dict(self.parameters)
        )
        outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        if self.output:
            outputs = (outputs[_info(self.function)["output_names"].index(self.output)],)
        result[first:] = np.stack([np.asarray(values, dtype=np.float64) for values in outputs], axis=1)
        result[: first + self._lookback()] = np.nan  # patterns say 0 where they have not looked yet
        return result

    def _features(self) -> list[Feature]:
        return [source_of(source) for source in self.inputs or _columns(self.function)]

    def _lookback(self) -> int:
        return int(_library().abstract.Function(self.function, **dict(self.parameters)).lookback)

    def _remembers(self) -> bool:
        flagged = "Function has an unstable period" in (_info(self.function)["function_flags"] or ())
        recursive = any(key.endswith("matype") and value not in _WINDOWED_AVERAGES for key, value in self.parameters)
        return flagged or recursive or self.function in RECURSIVE or self.function in CUMULATIVE

    def _own_bars(self) -> int:
        return 10 * max(self._lookback(), 5) if self._remembers() else self._lookback()

    def _require_usable(self) -> None:
        columns = [np.linspace(1.0, 2.0, 8) for _ in self._features()]
        try:
            getattr(_library(), self.function)(*columns, **dict(self.parameters))
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(
                f"TA-Lib refuses {self!r}: {reason}. Its parameters are {_usual(self.function)}"
            ) from error


def _library() -> Any:
    import talib.abstract

    return talib


def _info(function: str) -> dict[str, Any]:
    info: dict[str, Any] = _library().abstract.Function(function).info
    return info


def _usual(function: str) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in _info(function)["parameters"].items()) or "none"


def _columns(function: str) -> list[str]:
    names: list[str] = []
    for value in _info(function)["input_names"].values():
        names.extend([value] if isinstance(value, str) else value)
    return names


def _inputs(function: str, inputs: Sequence[Source]) -> tuple[Source, ...]:
    if isinstance(inputs, str):
        raise TypeError(f"inputs is a sequence of columns, got the string {inputs!r}")
    usual = _columns(function)
    if inputs and len(inputs) != len(usual):
        raise ConfigurationError(f"{function} takes {len(usual)} columns, as {tuple(usual)}; got {tuple(inputs)!r}")
    wide = [source for source in inputs if source_of(source).width != 1]
    if wide:
        raise ConfigurationError(f"{function} takes features of one column, got {wide[0]!r}")
    if not inputs and "periods" in usual:
        raise ConfigurationError(f"{function} needs a column of periods; give inputs=('close', <column or feature>)")
    return () if list(inputs) == usual else tuple(inputs)


def _like(usual: float, value: float, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
        raise ConfigurationError(f"{key} must be a number, got {value!r}")
    if isinstance(usual, int):
        if int(value) != value:
            raise ConfigurationError(f"{key} must be a whole number, got {value!r}")
        return int(value)
    return float(value)


def _argument(text: str, key: str, value: str) -> Any:
    if key == "output":
        return value
    if key == "inputs":
        return tuple(column.strip() for column in value.split("+"))
    try:
        return int(value) if re.fullmatch(r"[+-]?[0-9]+", value) else float(value)
    except ValueError:
        raise ConfigurationError(f"{text!r} needs a number for {key}, got {value!r}") from None
