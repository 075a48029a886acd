"""`/agents/{id}/skill.md`: how a program that reads Markdown works for an agent."""

_TEXT = """\
# {name}

You act for the agent `{agent_id}` of a TradeReady server, with virtual money. Send your key in the header `X-API-Key`; with a
key of the account, send `X-Agent-Id: {agent_id}` too. `/openapi.json` describes every route, `/docs` shows it to people.

Money, prices and quantities are decimals in strings, times ISO 8601 in UTC. Every error is
`{{"error": {{"code", "message", "details"}}}}`: the message says what is wrong and what to do. After a 429 wait for
`Retry-After` seconds.

## Look

- `GET /api/v1/market/pairs`, `/market/prices`, `/market/candles/{{symbol}}?interval=1h&limit=100`, `/market/indicators/{{symbol}}`
- `GET /api/v1/account/portfolio`, `/account/positions`, `/trade/orders/open`

## Trade on paper, where the server has a feed

- `POST /api/v1/trade/order` `{{"symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": "0.001"}}`; `limit`, `stop_loss`
  and `take_profit` need a `price`. The same `client_order_id` again is the same order.
- `DELETE /api/v1/trade/order/{{order_id}}`
- `GET /api/v1/agents/{agent_id}/risk-profile` has its limits: an order that breaks one is refused with 400 ORDER_REJECTED.

## Test an idea on the past first

- `POST /api/v1/backtest/create` `{{"start_time", "end_time", "starting_balance", "candle_interval": "1h", "pairs"}}`, then
  `POST /api/v1/backtest/{{session_id}}/start`
- `POST .../step`, or `.../step/batch` `{{"steps": 24}}`; orders go to `POST .../trade/order`
- `GET .../results` once `is_complete` is true. Nothing that has not closed yet is shown, and a market order fills at the next open.
"""


def skill_of(agent_id: str, display_name: str) -> str:
    """The text for one agent."""
    return _TEXT.format(agent_id=agent_id, name=" ".join(display_name.split()))
