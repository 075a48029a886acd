"""A moment of an episode as text: a line for one symbol, a small block for several."""

from tradeready_gym.rendering import words
from tradeready_gym.rendering.scene import Scene


def to_text(scene: Scene) -> str:
    """The time, prices, positions, cash and equity with its change, and what was traded in the newest candle.

    Plain text without colour codes; the columns of successive moments stand under one another. Cash is what is not in
    a position, locked or not.
    """
    clock = "before the first candle" if scene.clock is None else words.time_utc(scene.clock)
    cash = scene.equity_now * (1.0 - float(scene.shares_now.sum()))
    account = (
        f"cash {words.money(cash):>14}  equity {words.money(scene.equity_now):>14} "
        f"({words.signed_percent(scene.roi_pct):>9})"
    )
    lines = [_symbol_line(scene, index) for index in range(len(scene.symbols))]
    if len(lines) == 1:
        traded = _traded(scene, 0)
        return f"{clock}  {lines[0]}  {account}{traded}"
    block = [f"{clock}  {account}"]
    block += [f"  {line}{_traded(scene, index)}" for index, line in enumerate(lines)]
    return "\n".join(block)


def _symbol_line(scene: Scene, index: int) -> str:
    width = max(len(symbol) for symbol in scene.symbols)
    close = float(scene.close[index, -1]) if len(scene.times) else float("nan")
    share = float(scene.shares_now[index])
    quantity = share * scene.equity_now / close if share else 0.0
    return f"{scene.symbols[index]:<{width}} {words.price(close):>12}  holds {quantity:>12,.6g} ({100 * share:6.2f} %)"


def _traded(scene: Scene, index: int) -> str:
    fills = [fill for fill in scene.fills_now if fill.symbol == index]
    words_of = [f"{'bought' if fill.side > 0 else 'sold'} at {words.price(fill.price)}" for fill in fills]
    return f"  {', '.join(words_of)}" if fills else ""
