"""The cluster that a gateway uses: its token, and whether each machine would accept it."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from voicepipe.cluster.connection import ClusterError, ray_environment, token_file
from voicepipe.doctor.findings import Finding, fault, fine
from voicepipe.installation.installation import install_command

__all__ = ["cluster_findings"]


def cluster_findings(engine: str | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield whether this machine can use the cluster of the settings. What its stages do is a check of each.

    Args:
        engine: The setting of that name; None: there is no cluster.
        environment: The variables of the process.
    """
    if engine is None:
        return
    if find_spec("ray") is None:
        yield fault("cluster", f"{engine} needs Ray, which is not installed", install_command("cluster"))
    try:
        ray_environment(environment)
    except ClusterError as error:
        yield fault("cluster token", str(error), "copy the file from the cluster's first machine, for the same user")
        return
    file = token_file(environment)
    if file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        said = f"other users of this machine can read {file}: with it they may run code on each machine of the cluster"
        yield fault("cluster token", said, f"chmod 600 {file}")
    else:
        yield fine("cluster token", f"{file} is private")
