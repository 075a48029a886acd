"""`/api/v1/metrics`: whether a Sharpe ratio is more than the luck of many trials."""

import math
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from tradeready_gym.errors import DataError
from tradeready_gym.platform.api.dependencies import Reader
from tradeready_gym.platform.api.documentation import WITH_A_KEY
from tradeready_gym.platform.errors import Invalid

router = APIRouter(prefix="/metrics", tags=["metrics"], responses=WITH_A_KEY)
SIGNIFICANT = 0.95
ASSUMED = "assumed: 1 / (num_returns - 1) a period, which is what trials without skill have"
GIVEN = "trial_sharpes"

Return = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class DeflatedSharpeRequest(BaseModel):
    """The returns of the best of `num_trials` trials. Ratios of the trials are annualised by the same factor."""

    returns: Annotated[list[Return], Field(min_length=10, max_length=10_000)]
    num_trials: Annotated[int, Field(ge=1, le=100_000)]
    annualization_factor: Annotated[int, Field(ge=1, le=525_600)] = 252
    trial_sharpes: Annotated[list[Return], Field(min_length=1, max_length=100_000)] | None = None


class DeflatedSharpe(BaseModel):
    """Sharpe ratios are annual ones. `kurtosis` is the excess over a normal distribution's, as documented.

    `deflated_sharpe` is how many standard errors the ratio is above the one to expect of luck; `p_value` the probability that
    the true ratio is above it, which is called the deflated Sharpe ratio in the literature.
    """

    observed_sharpe: float
    expected_max_sharpe: float
    deflated_sharpe: float
    p_value: float
    is_significant: bool
    num_trials: int
    num_returns: int
    skewness: float
    kurtosis: float
    trial_variance: float
    trial_variance_source: str


@router.post("/deflated-sharpe")
def deflated_sharpe(body: DeflatedSharpeRequest, caller: Reader) -> DeflatedSharpe:
    """Deflate a Sharpe ratio by the number of trials and the variance of their ratios (Bailey, Lopez de Prado, 2014)."""
    if body.trial_sharpes is not None and len(body.trial_sharpes) != body.num_trials:
        raise Invalid(
            f"trial_sharpes needs a ratio for each of the {body.num_trials} trials; got {len(body.trial_sharpes)}",
            field="trial_sharpes",
        )
    try:
        answer = _deflated(body)
    except (DataError, ArithmeticError) as error:
        raise Invalid(f"these returns have no Sharpe ratio: {error}", field="returns") from error
    if not all(math.isfinite(value) for value in answer.model_dump().values() if isinstance(value, float)):
        raise Invalid("these returns deviate too little for a Sharpe ratio", field="returns")
    return answer


def _deflated(body: DeflatedSharpeRequest) -> DeflatedSharpe:
    from tradeready_gym.evaluation import expected_maximum_sharpe, probabilistic_sharpe, return_moments

    moments, year = return_moments(body.returns), math.sqrt(body.annualization_factor)
    variance = 1.0 / (moments.count - 1) if body.trial_sharpes is None else _variance(body.trial_sharpes) / year**2
    luck = expected_maximum_sharpe(body.num_trials, variance)
    probability = probabilistic_sharpe(moments, luck)
    ratio = moments.sharpe
    error = 1.0 - moments.skewness * ratio + (moments.kurtosis - 1.0) / 4.0 * ratio * ratio
    return DeflatedSharpe(
        observed_sharpe=ratio * year,
        expected_max_sharpe=luck * year,
        deflated_sharpe=(ratio - luck) * math.sqrt((moments.count - 1) / max(error, 1e-12)),
        p_value=probability,
        is_significant=probability > SIGNIFICANT,
        num_trials=body.num_trials,
        num_returns=moments.count,
        skewness=moments.skewness,
        kurtosis=moments.kurtosis - 3.0,
        trial_variance=variance * year**2,
        trial_variance_source=ASSUMED if body.trial_sharpes is None else GIVEN,
    )


def _variance(ratios: list[float]) -> float:
    mean = math.fsum(ratios) / len(ratios)
    return math.fsum((ratio - mean) ** 2 for ratio in ratios) / max(len(ratios) - 1, 1)
