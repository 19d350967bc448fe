"""Two Ray nodes on one machine: hosts are spread, and survive the loss of a node."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import missing
from tests.runtime.checks import everything_is_exact
from tests.runtime.conftest import Staging
from tests.runtime.load import Load
from tests.runtime.stage import Stage, until

pytestmark = [
    pytest.mark.ray,
    pytest.mark.nats,
    pytest.mark.slow,
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]


@pytest.fixture
def two_nodes() -> Iterator[Any]:
    """A Ray cluster of two nodes, with this process connected to it."""
    try:
        import ray
        from ray.cluster_utils import Cluster
    except ImportError as error:
        missing(f"Ray ({error})")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # A port of its own: at the usual one somebody else's cluster may be listening.
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        head = {"num_cpus": 2, "include_dashboard": False, "gcs_server_port": port}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        assert cluster.address.endswith(f":{port}")
        node = cluster.add_node(num_cpus=2)
        cluster.wait_for_nodes()
        yield cluster, node
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.timeout(240)
async def test_hosts_are_spread_over_nodes_and_a_lost_node_is_replaced(
    two_nodes: Any, staging: Staging
) -> None:
    from holodeck.actors.cluster import Cluster
    from tests.runtime.plan import blueprint

    # given a runtime on two nodes, with sessions at work
    ray_cluster, node = two_nodes
    stage: Stage = await staging(lease_s=2.0)
    cluster = Cluster(blueprint(stage), address=ray_cluster.address)
    await asyncio.to_thread(cluster.connect)
    await asyncio.to_thread(cluster.start, 2)
    try:
        await stage.owned(2)
        deck = await stage.deck(deadline_s=60.0)
        places = {name: cluster.services[name].node for name in ("host-0", "host-1")}
        assert len(set(places.values())) == 2
        async with Load(deck, sessions=12, deadline_s=60.0) as load:
            await load.acknowledgements(100)

            # when the supervisor's process is killed
            pid = cluster.services["supervisor"].pid
            os.kill(pid, signal.SIGKILL)

            # then sessions go on, and Ray starts it again
            await load.acknowledgements(50)

            async def back() -> bool:
                return bool((await deck.status())["partitions"] == stage.partitions)

            await until(back, 80.0, 0.2)
            placed = await asyncio.to_thread(cluster.where, "supervisor")
            assert placed.pid != pid

            # and when the second node is lost
            lost = {name for name, where in places.items() if where == node.node_id}
            assert lost
            before = (await stage.holders())[next(iter(lost))].incarnation
            await asyncio.to_thread(ray_cluster.remove_node, node, allow_graceful=False)

            # then its partitions are somewhere else
            async def moved() -> bool:
                table = await stage.table()
                return before not in table.owners and "" not in table.owners

            await until(moved, 80.0, 0.2)
            await load.acknowledgements(100, 80.0)
            account = await load.stop()
        assert not account.unknown
        await until(back, 80.0, 0.2)
        await everything_is_exact(stage, deck, account, may_return=True)
    finally:
        await asyncio.to_thread(cluster.stop)
