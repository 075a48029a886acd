"""What an engine is made of, checked before anything runs."""

from dataclasses import dataclass
from typing import Any

from tradeready_gym.actions import ActionScheme
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.features import FeaturePipeline
from tradeready_gym.rewards import RewardScheme

EPISODE_ENDS = ("documented", "gymnasium")


@dataclass(frozen=True)
class EngineSpec:
    """The composition of a step and of its episodes.

    `features` is a pipeline, or the names of one (which may be columns of the data). `episode_length` in candles draws a
    random window; None plays the whole span. `candles_per_action` candles pass for each action. `max_loss` is the share of
    the starting balance whose loss ends the episode.
    """

    exchange: SimulatedExchange
    action_scheme: ActionScheme
    reward_scheme: RewardScheme
    features: FeaturePipeline | tuple[Any, ...]
    lookback_window: int = 30
    start_time: Any = None
    end_time: Any = None
    episode_length: int | None = None
    episode_end: str = "documented"
    max_loss: float = 0.9
    candles_per_action: int = 1

    def __post_init__(self) -> None:
        for name, called in (("lookback_window", "lookback_window"), ("candles_per_action", "steps_per_action")):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigurationError(f"{called} must be an integer of at least 1; got {value!r}")
        length = self.episode_length
        if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 1):
            raise ConfigurationError(
                f"episode_length must be a number of candles of at least 1, or None; got {length!r}"
            )
        if self.episode_end not in EPISODE_ENDS:
            raise UnknownName("episode_end", self.episode_end, EPISODE_ENDS)
        if not (isinstance(self.max_loss, int | float) and 0.0 < self.max_loss <= 1.0):
            raise ConfigurationError(
                f"max_loss is the share of the starting balance whose loss ends the episode, in (0, 1]; got {self.max_loss!r}"
            )
        self.action_scheme.check(len(self.exchange.symbols))
        self._check_positions()

    def _check_positions(self) -> None:
        low, high = self.action_scheme.position_range
        account = self.exchange.account
        if account is None and (low < 0.0 or high > 1.0):
            raise ConfigurationError(
                f"{type(self.action_scheme).__name__} asks for positions from {low:g} to {high:g} x equity; a spot account holds "
                f"0 to 1. Use account='margin' (or a MarginAccount) on the exchange, or positions in [0, 1]"
            )
        if account is not None and max(-low, high) > account.leverage:
            raise ConfigurationError(
                f"{type(self.action_scheme).__name__} asks for positions from {low:g} to {high:g} x equity; the account's leverage "
                f"is {account.leverage:g}. Raise it, or ask for less"
            )
