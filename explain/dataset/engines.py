"""Who does the work: this process, or the workers of a Ray cluster; the same rows from both."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from explain.dataset.columns import Origin, Row
from explain.dataset.job import Job, explained, said
from explain.dataset.listing import DatasetError, Entry
from explain.dataset.rows import failed

CHUNK = 8  # clips that a worker takes at once, at most
STORE = 128 * 2**20  # bytes of Ray's shared memory: rows are small
AHEAD = 2  # chunks that wait for each worker
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@dataclass(frozen=True)
class Cluster:
    """workers: processes that work at once; None: as many as the cluster has room for.
    address: of a running cluster; None: one on this machine, for this run.
    """

    workers: int | None = None
    address: str | None = None


Engine = Callable[[Job, Origin, Path, Sequence[Entry], Cluster], Iterator[list[Row]]]


def local(
    job: Job, origin: Origin, root: Path, entries: Sequence[Entry], cluster: Cluster
) -> Iterator[list[Row]]:
    """One process, one clip after another."""
    for row in explained(job, origin, root, entries):
        yield [row]


def over_ray(
    job: Job, origin: Origin, root: Path, entries: Sequence[Entry], cluster: Cluster
) -> Iterator[list[Row]]:
    """Chunks of clips on the workers of a cluster, as they are done.

    Every machine must see the clips at the same path and have this program. A worker that dies is
    tried again elsewhere; the clips of a chunk that kills every worker get its error.
    """
    os.environ.update(QUIET)
    if not cluster.address:  # its ports are open to the network, so nobody else may have the token
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    try:
        import ray
    except ModuleNotFoundError:
        raise DatasetError(
            "Ray is not installed; install explain/dataset/requirements.txt, or use --engine local."
        ) from None
    with TemporaryDirectory(prefix="ray") as folder, contextlib.ExitStack() as after:
        _begin(cluster, job.threads, folder)
        after.callback(ray.shutdown)
        each = {"num_gpus": 1} if job.device == "cuda" else {"num_cpus": job.threads}
        work = ray.remote(max_retries=1, **each)(_chunk)
        told = ray.put((job, origin, str(root)))
        cpus = int(ray.cluster_resources().get("CPU", 1))
        workers = cluster.workers or max(1, cpus // job.threads)
        size, most = _size(len(entries), workers), AHEAD * workers
        chunks = iter([entries[i : i + size] for i in range(0, len(entries), size)])
        pending = {work.remote(told, part): part for part in islice(chunks, most)}
        while pending:
            (done,), _ = ray.wait(list(pending), num_returns=1)
            part = pending.pop(done)
            pending |= {work.remote(told, more): more for more in islice(chunks, 1)}
            try:
                yield ray.get(done)
            except ray.exceptions.RayTaskError as error:  # not of one clip: the model, say
                raise DatasetError(said(error.cause)) from None
            except ray.exceptions.RayError as error:
                why = f"The worker stopped on this clip or one beside it: {type(error).__name__}."
                yield [failed(entry, origin, why) for entry in part]


def _size(clips: int, workers: int) -> int:
    """Of a chunk: small enough that all workers end at about the same time."""
    return min(CHUNK, max(1, clips // (4 * workers)))


def _begin(cluster: Cluster, threads: int, folder: str) -> None:
    """Join a cluster, or start one here, for this run and this program alone."""
    import ray

    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if cluster.address:
        try:
            ray.init(address=cluster.address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DatasetError(f"There is no Ray cluster at {cluster.address}: {first}") from None
        return
    cpus = (cluster.workers or max(1, cores() // threads)) * threads
    ends = signal.getsignal(signal.SIGTERM)  # Ray has another way, which tears down too little
    ray.init(
        num_cpus=cpus,
        include_dashboard=False,
        object_store_memory=STORE,
        _node_ip_address="127.0.0.1",
        _temp_dir=folder,
        **quiet,
    )
    signal.signal(signal.SIGTERM, ends)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _chunk(told: tuple[Job, Origin, str], entries: Sequence[Entry]) -> list[Row]:
    job, origin, root = told
    return list(explained(job, origin, Path(root), entries))


ENGINES: Mapping[str, Engine] = {"local": local, "ray": over_ray}
