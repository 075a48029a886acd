"""What rules are played on: an environment with `Holdings` as actions, or the agent's own where it can say as much."""

from tradeready_gym.actions import ActionScheme, ContinuousOrder, HoldBuySell, PortfolioWeights, TargetPosition
from tradeready_gym.actions.holdings import Holdings
from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.strategies.native import NativeEnvironment, vectorise


def says_all_and_nothing(scheme: ActionScheme) -> bool:
    """Whether a rule can ask for everything and for nothing in this scheme."""
    if isinstance(scheme, TargetPosition):
        return {0.0, 1.0} <= set(scheme.positions)
    return isinstance(scheme, Holdings | PortfolioWeights | HoldBuySell | ContinuousOrder)


def baseline_environment(
    environment: NativeEnvironment, num_envs: int = 1, *, threshold: float = Holdings.threshold
) -> TradingVectorEnvironment:
    """What baselines are played on beside an agent: its market, exchange, costs, span and clock, with `Holdings` as actions.

    What is compared is the equity over the same candles, so that every agent has the same baselines, whatever its actions are.
    """
    return vectorise(environment, num_envs, action_scheme=Holdings(threshold))
