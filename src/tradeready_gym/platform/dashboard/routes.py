"""All pages, in the order in which their routes are tried."""

from fastapi import APIRouter, Depends, FastAPI

from tradeready_gym.platform.dashboard import (
    api_page,
    assets,
    backtest,
    changes,
    data,
    downloads,
    live,
    login,
    replays,
    settings,
    training,
)
from tradeready_gym.platform.dashboard.inputs import refuse_nul

router = APIRouter(dependencies=[Depends(refuse_nul)])
for _part in (login, training, backtest, data, settings, changes, live, api_page):
    router.include_router(_part.router)
router.include_router(training.numbers)
router.include_router(backtest.numbers)
router.include_router(data.numbers)
router.include_router(replays.numbers)
router.include_router(downloads.numbers)


def add_to(app: FastAPI) -> None:
    """Add the pages and their assets to the application."""
    app.include_router(router)
    app.mount(assets.address(), assets.Assets(), name="assets")
