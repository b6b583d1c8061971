"""Nothing is unpickled between a registry of models, an answer over HTTP and the log of it."""

from __future__ import annotations

from pathlib import Path

from causal_ranker.serving.registry import Registry
from tests.fresh import said_by
from tests.serving.publishing import publish
from tests.serving.shop import Shop

CODE = """
import asyncio, json, pickle, sys
import httpx
found = []
def hook(event, args):
    if event == "pickle.find_class":
        found.append(repr(args))
sys.addaudithook(hook)
pickle.loads(pickle.dumps(OSError))  # the hook sees what it should
seen, found[:] = len(found), []
from causal_ranker.reranking.draws import PlackettLuce
from causal_ranker.reranking.explore import Exploration
from causal_ranker.serving.app import create_app
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.decisions.log import DecisionLog
from causal_ranker.serving.http.keys import KeyRing, new_key
from causal_ranker.serving.registry import Registry
from causal_ranker.serving.service import Service

async def main(log):
    key = new_key(sys.argv[3])
    exploration = Exploration(draw=PlackettLuce(temperature=0.5), slots=2)
    config = ServeConfig(deadline_ms=20_000, exploration=exploration)
    service = Service(Registry(sys.argv[1]), config=config, log=log)
    app = create_app(service, keys=KeyRing(sys.argv[3]))
    headers = {"Authorization": f"Bearer {key}"}
    transport = httpx.ASGITransport(app)
    sent = {"user_id": 100, "candidates": [{"item_id": "item-03", "base_score": 0.5}]}
    event = {"type": "view", "item_id": 1, "at": "2026-01-01T00:00:00Z"}
    bodies = {
        "/v1/rerank": [sent, {"user_id": 100}, {"user_id": 1}, {"user_id": None}],
        "/v1/explain": [sent | {"item_id": "item-03"}],
        "/v1/events": [{"decision_id": "d", "events": [event]}],
    }
    statuses, answers = [], []
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/version"):
                statuses.append((await client.get(path, headers=headers)).status_code)
            for path, each in bodies.items():
                for body in each:
                    answer = await client.post(path, json=body, headers=headers)
                    statuses.append(answer.status_code)
                    answers.append(answer.json())
    return statuses, [answers[0]["explored"], answers[0]["decision_id"] is not None]

with DecisionLog(sys.argv[2]) as log:
    statuses, told = asyncio.run(main(log))
print(json.dumps({"seen": seen, "found": found, "statuses": statuses, "told": told}))
"""


def test_no_pickle_on_the_path(shop: Shop, registry: Registry, tmp_path: Path) -> None:
    publish(registry, shop, 0.2)
    said = said_by(CODE, registry.root, tmp_path / "log", tmp_path / "keys.json")
    assert said["seen"] > 0
    assert said["statuses"] == [200] * 5 + [200, 200, 200, 400] + [200] + [200]
    assert said["told"] == [True, True]
    assert said["found"] == []
