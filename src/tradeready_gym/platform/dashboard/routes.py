"""All pages, in the order in which their routes are tried."""

from fastapi import APIRouter, FastAPI

from tradeready_gym.platform.dashboard import (
    api_page,
    assets,
    backtest,
    data,
    live,
    live_page,
    login,
    settings,
    training,
)

router = APIRouter()
for _part in (login, training, backtest, data, settings, live, live_page, api_page):
    router.include_router(_part.router)
router.include_router(training.numbers)
router.include_router(backtest.numbers)
router.include_router(data.numbers)


def add_to(app: FastAPI) -> None:
    """Add the pages and their assets to the application."""
    app.include_router(router)
    app.mount(assets.address(), assets.Assets(), name="assets")
