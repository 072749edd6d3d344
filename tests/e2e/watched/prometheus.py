"""A real Prometheus server that scrapes one router each second, and what its answers to queries are."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import trio

from tests.e2e.daemon import NO_TLS, ROOT, free_port

PROGRAM = shutil.which("prometheus")
DASHBOARD = ROOT / "conf" / "grafana" / "nursery-router.json"
READY_S = 20.0
# what Grafana puts in the place of its variables; the interval holds the whole run
VARIABLES = {"$__rate_interval": "1m", "$provider": ".*", "$job": ".*"}


def queries() -> Iterator[tuple[str, str]]:
    """Yield each query of the dashboard with the title of its panel, as Grafana would send it."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            query = str(target["expr"])
            for name, value in VARIABLES.items():
                query = query.replace(name, value)
            yield panel["title"], query


@asynccontextmanager
async def open_prometheus(router_port: int, directory: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Run the server until the context is left; yields a client of it once it is ready."""
    assert PROGRAM is not None
    port, config = free_port(), directory / "prometheus.json"
    job = {"job_name": "router", "static_configs": [{"targets": [f"127.0.0.1:{router_port}"]}]}
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}))  # JSON is YAML, too
    argv = [
        PROGRAM,
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    process = await trio.lowlevel.open_process(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=NO_TLS, trust_env=False) as client:
            await _wait_ready(client)
            yield client
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def result_of(client: httpx.AsyncClient, query: str) -> list[float]:
    """Return the values that the query has now."""
    answer = (await client.get("/api/v1/query", params={"query": query})).raise_for_status().json()
    return [float(sample["value"][1]) for sample in answer["data"]["result"]]


async def _wait_ready(client: httpx.AsyncClient) -> None:
    with trio.fail_after(READY_S):
        while True:
            try:
                if (await client.get("/-/ready")).is_success:
                    return
            except httpx.TransportError:
                pass  # not listening yet
            await trio.sleep(0.05)  # another process: there is no event to wait for
