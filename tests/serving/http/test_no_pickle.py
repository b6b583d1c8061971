"""Nothing is unpickled between the folder of a model and an answer over HTTP."""

from __future__ import annotations

from pathlib import Path

from tests.fresh import said_by

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
from causal_ranker.serving.app import create_app
from causal_ranker.serving.bundle import load_bundle
from causal_ranker.serving.http.keys import KeyRing, new_key
from causal_ranker.serving.service import Service

async def main():
    key = new_key(sys.argv[2])
    app = create_app(Service(load_bundle(sys.argv[1])), keys=KeyRing(sys.argv[2]))
    headers = {"Authorization": f"Bearer {key}"}
    transport = httpx.ASGITransport(app)
    sent = {"user_id": 100, "candidates": [{"item_id": "item-03", "base_score": 0.5}]}
    event = {"type": "view", "item_id": 1, "at": "2026-01-01T00:00:00Z"}
    bodies = {
        "/v1/rerank": [sent, {"user_id": 100}, {"user_id": 1}, {"user_id": None}],
        "/v1/explain": [sent | {"item_id": "item-03"}],
        "/v1/events": [{"decision_id": "d", "events": [event]}],
    }
    statuses = []
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/version"):
                statuses.append((await client.get(path, headers=headers)).status_code)
            for path, each in bodies.items():
                for body in each:
                    answer = await client.post(path, json=body, headers=headers)
                    statuses.append(answer.status_code)
    return statuses

statuses = asyncio.run(main())
print(json.dumps({"seen": seen, "found": found, "statuses": statuses}))
"""


def test_no_pickle_on_the_path(published: Path, tmp_path: Path) -> None:
    said = said_by(CODE, published, tmp_path / "keys.json")
    assert said["seen"] > 0
    assert said["statuses"] == [200] * 5 + [200, 200, 200, 400] + [200] + [503]
    assert said["found"] == []
