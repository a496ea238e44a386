"""The stages of a cluster as applications of Ray Serve: one each, so that one is replaced without the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from voicepipe.cluster.app_file import AppFile, StageOptions
from voicepipe.cluster.code_version import code_version
from voicepipe.cluster.connection import ray_module

__all__ = ["StageState", "app_name", "deploy", "remove_all", "running_replicas", "serve_options", "stage_states"]

_PREFIX = "voicepipe-"

LOAD = 0.75
"""The share of taken places above which replicas are added: a new one takes 4 to 13 s, in which the rest fills up."""

LOOK_BACK_S = 4.0
"""The time over which taken places are averaged, in seconds. Sessions last for minutes: with Serve's 30 s, made for
requests, replicas would be added half a minute after they were needed."""

HEALTH_CHECK_S = 2.0
HEALTH_TIMEOUT_S = 5.0


def app_name(stage: str) -> str:
    """Return the name of a stage's application."""
    return f"{_PREFIX}{stage}"


def serve_options(options: StageOptions) -> dict[str, Any]:
    """Return the options of a deployment.

    More requests than places are let through, since Serve would queue them: the replica itself tells that it is full.
    """
    scaling: dict[str, Any] = {"num_replicas": options.replicas}
    if options.most_replicas is not None:
        scaling = {
            "autoscaling_config": {
                "min_replicas": options.replicas,
                "max_replicas": options.most_replicas,
                "target_ongoing_requests": max(1.0, LOAD * options.capacity),
                "metrics_interval_s": 1.0,
                "look_back_period_s": LOOK_BACK_S,
                "upscale_delay_s": 2.0,
                "downscale_delay_s": options.scale_down_after_s,
            }
        }
    return {
        **scaling,
        "max_replicas_per_node": options.most_per_machine,
        "max_ongoing_requests": 2 * options.capacity + 10,
        "graceful_shutdown_timeout_s": options.drain_s,
        "health_check_period_s": HEALTH_CHECK_S,
        "health_check_timeout_s": HEALTH_TIMEOUT_S,
        "ray_actor_options": {"num_cpus": options.cpus, "num_gpus": options.gpus},
    }


def deploy(app: AppFile, told: Callable[[str], None]) -> None:
    """Bring the cluster's stages to what a file says, side by side, and wait until they run. Blocks.

    A stage with the options that it had is left alone; the replicas of a changed one are replaced one by one, and
    their sessions finish. Raises RuntimeError for a stage that cannot start.
    """
    from voicepipe.cluster.replica import StageReplica

    serve = ray_module("ray.serve")
    serve.start(http_options={"location": "NoServer"})  # no port for clients: leases come through Ray
    targets: list[Any] = []
    for name, options in app.stages.items():
        deployment: Any = serve.deployment(StageReplica, name=name, **serve_options(options))
        # Without a version of its own, Serve replaces all replicas of all stages each time.
        deployment = deployment.options(version=code_version(options), _internal=True)
        bound = deployment.bind(options.stage, options.capacity, options.tls_certificate, options.tls_key)
        targets.append(serve.RunTarget(bound, name=app_name(name), route_prefix=None))
    serve.run_many(targets)
    for name in app.stages:
        told(name)
    for name in _deployed(serve.status().applications):
        if name not in app.stages:
            serve.delete(app_name(name))


def remove_all() -> None:
    """Stop all stages; their sessions have as long as their files said. Blocks for 30 s at most."""
    serve = ray_module("ray.serve")
    serve.shutdown()


@dataclass(frozen=True, slots=True)
class StageState:
    """A stage of the cluster: Serve's word for its state, and how many replicas run and start."""

    name: str
    status: str
    running: int
    starting: int
    message: str


def stage_states() -> list[StageState]:
    """Return the state of each stage. Blocks."""
    serve = ray_module("ray.serve")
    applications: Any = serve.status().applications
    return [_state(name, applications[app_name(name)]) for name in _deployed(applications)]


def running_replicas(stage: str) -> int:
    """Return how many replicas of a stage run. Blocks."""
    return sum(state.running for state in stage_states() if state.name == stage)


def _deployed(applications: Mapping[str, Any]) -> Iterator[str]:
    return (name.removeprefix(_PREFIX) for name in applications if name.startswith(_PREFIX))


def _state(name: str, application: Any) -> StageState:
    states: dict[str, int] = {}
    for deployment in application.deployments.values():
        for state, count in deployment.replica_states.items():
            states[str(getattr(state, "value", state))] = count
    status = str(getattr(application.status, "value", application.status))
    reasons = [_last_line(deployment.message or "") for deployment in application.deployments.values()]
    message = "" if status == "RUNNING" else next(filter(None, reasons), application.message or "")
    return StageState(name, status, states.get("RUNNING", 0), states.get("STARTING", 0), message)


def _last_line(message: str) -> str:
    """Return the error of a traceback: it says what is wrong with the stage."""
    return message.strip().rpartition("\n")[2]
