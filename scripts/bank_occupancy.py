"""How full are the GPU engine's banks? Its own scheduling, run on a CPU, with the arithmetic left out.

    python scripts/bank_occupancy.py

Queues, refills, turns, growth and stopping rule are the engine's. Only the networks are not trained: each probe is
given the number of epochs after which its score stops to rise, 12 and an exponential number of 25 on average, which
is the mean of 37 that default probes have (docs/performance.md). A slot is busy in a minibatch if its probe has one.
Slots busy: busy slots of all minibatches, over slots launched.
"""

import sys
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from satgpu.probes import ProbeGroup, ProbeOptions, TrainingReport
from satgpu.probes.draws import hash_uniform
from satgpu.probes.gpu import engine
from satgpu.probes.gpu.bank import SlotBank
from satgpu.probes.gpu.running_bank import RunningBank
from satgpu.probes.loop import TrainingLoop
from satgpu.probes.training import SubgroupStream
from satgpu.study.config import Config
from satgpu.study.plan import plan_units

OPTIONS = ProbeOptions(hidden_layer_sizes=(1,))
LEAST_EPOCHS, FURTHER_EPOCHS = OPTIONS.n_iter_no_change + 2, 25.0
# Features of SatCLIP's embeddings and of bare coordinates, and the columns that stand for them here.
COLUMNS = {256: 2, 3: 1}


class DrawnBank(SlotBank):
    """Slots whose probes move on and stop as others do, and learn nothing."""

    may_shrink = True  # as with the Triton kernels

    def __init__(self, *args):
        super().__init__(*args)
        self.rising_epochs = self.zeros(kind=torch.float64)

    def load(self, arrivals):
        super().load(arrivals)
        for slot, resident, index in arrivals:
            seed = resident.subgroup.group.probe_seeds[resident.subgroup.members[index]]
            uniform = hash_uniform(seed, 0, torch.tensor(0))
            self.rising_epochs[slot] = LEAST_EPOCHS - 11 + torch.round(-FURTHER_EPOCHS * torch.log(1 - uniform))

    def begin(self, n_rows: int) -> None:
        pass

    def step(self) -> None:
        self.position += self.rule.is_live & (self.position * self.shape.batch < self.n_fit)

    def _validate(self, n_chunks: int) -> Tensor:
        return torch.minimum(self.rule.epochs + 1.0, self.rising_epochs)


class CountedBank(RunningBank):
    """Adds up slots launched and slots busy."""

    busy = launched = 0

    def launch(self) -> int:
        left = [place.left for place in self._places.values()]
        n = super().launch()
        CountedBank.busy += sum(min(steps, n) for steps in left)
        CountedBank.launched += n * self.bank.n_slots
        return n


def group(n: int, n_probes: int, features: int, task: str, seed: int) -> ProbeGroup:
    """A group as the study makes them: 70 % of the points for training."""
    labels = torch.arange(n).expand(n_probes, n) % 2
    return ProbeGroup(
        X=torch.zeros(n, COLUMNS[features]),
        Y=labels if task == "classification" else labels.float(),
        train_rows=torch.arange(n * 7 // 10),
        test_rows=torch.arange(n * 7 // 10, n),
        split_seed=seed,
        probe_seeds=torch.arange(n_probes) + 1000 * seed,
        task=task,
        keys=[(seed, probe) for probe in range(n_probes)],
    )


def study_groups(replicates: int) -> Iterator[ProbeGroup]:
    """The default study's: two encoders, their untrained twins and bare coordinates on each unit, task by task."""
    seed = 0
    for unit in plan_units(Config(), replicates):
        tasks = [field.kind.task for task_set in unit.task_sets for field in task_set.fields]
        for features in (256, 256, 256, 256, 3):
            for task in sorted(set(tasks)):
                seed += 1
                yield group(unit.points.n, tasks.count(task), features, task, seed)


def sixteen_sizes(probes: int) -> Iterator[ProbeGroup]:
    """Groups of 20 probes on 16 numbers of points in turn: 3000, 3100, 3200, ..."""
    for seed in range(probes // 20):
        yield group(3000 + 100 * (seed % 16), 20, 256, "classification", seed)


def show(name: str, groups: Iterator[ProbeGroup]) -> None:
    """Train a list of groups and print its line."""
    CountedBank.busy = CountedBank.launched = 0
    report, cpu, started = TrainingReport(), torch.device("cpu"), time.perf_counter()
    stream = SubgroupStream(groups, OPTIONS, cpu, torch.float32)
    slots = engine.SlotEngine(stream, OPTIONS, cpu, torch.float32, report)
    TrainingLoop(slots, report, None, None).run()
    slots.close()
    share, seconds = CountedBank.busy / CountedBank.launched, time.perf_counter() - started
    epochs = report.epochs / report.probes
    facts = f"{report.probes:6} probes {epochs:5.1f} epochs  slots busy {share:.3f}"
    print(f"{name:32} {facts}  ({seconds:.0f} s)", flush=True)


def main() -> int:
    torch.set_num_threads(1)
    engine.SlotBank, engine.RunningBank = DrawnBank, CountedBank
    for replicates in (1, 3, 8):
        show(f"default study, {replicates} replicates", study_groups(replicates))
    show("16 sizes, 3000 to 4500 points", sixteen_sizes(5120))
    return 0


if __name__ == "__main__":
    sys.exit(main())
