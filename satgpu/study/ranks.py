"""One process or many: Lightning Fabric starts them, and they share nothing but the run folder."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lightning.fabric import Fabric
from lightning.fabric.strategies import DDPStrategy

from satgpu.errors import UserError
from satgpu.study.config import Config

# Ranks wait for the slowest at the end, and a study may take days.
_PATIENCE = timedelta(days=7)


@dataclass(frozen=True)
class Ranks:
    """This process among those that share the run."""

    rank: int = 0
    local_rank: int = 0
    world_size: int = 1
    fabric: Fabric | None = None

    @classmethod
    def launch(cls, config: Config) -> "Ranks":
        """Start or join the processes that the options, torchrun or srun ask for."""
        started_outside = int(os.environ.get("WORLD_SIZE", "1")) > 1 or int(os.environ.get("SLURM_NTASKS", "1")) > 1
        if config.devices * config.num_nodes == 1 and not started_outside:
            return cls()
        devices, nodes = config.devices, config.num_nodes
        if "LOCAL_WORLD_SIZE" in os.environ:  # torchrun knows better than the options
            devices = int(os.environ["LOCAL_WORLD_SIZE"])
            nodes = int(os.environ["WORLD_SIZE"]) // devices
        on_gpu = config.device != "cpu" and _has_gpu()
        strategy = DDPStrategy(process_group_backend="nccl" if on_gpu else "gloo", timeout=_PATIENCE)
        fabric = Fabric(accelerator="cuda" if on_gpu else "cpu", devices=devices, num_nodes=nodes, strategy=strategy)
        fabric.launch()
        return cls(fabric.global_rank, fabric.local_rank, fabric.world_size, fabric)

    def barrier(self) -> None:
        """Wait for all.

        Raises:
            UserError: one of them has died, so that waiting would have no end.
        """
        if self.fabric is None:
            return
        try:
            self.fabric.barrier()
        except RuntimeError as error:  # torch.distributed's word for a lost peer
            raise UserError(
                "another process of this run has died; finished probes of all are saved: continue with --resume"
            ) from error

    def broadcast(self, value: Any) -> Any:
        """Rank 0's value, everywhere."""
        return value if self.fabric is None else self.fabric.broadcast(value)


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
