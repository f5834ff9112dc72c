"""Location encoders taught by a frozen image teacher: symmetric InfoNCE, as SatCLIP's was.

The encoder is SatCLIP's: L² spherical harmonics and a SIREN 512-512-256. The
teacher's features (``teacher.py``) are fixed; a linear projection of them is
trained beside the encoder and thrown away. Teacher, places, their order, steps
and seed are the same whatever L is.

Source: Radford et al. 2021 for the loss; Klemmer et al. 2023 for the setting.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from satgpu.encoders.controls import DIM, HIDDEN_LAYERS, WIDTH
from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.encoders.satclip import FILE_FORMAT
from satgpu.encoders.siren import FIRST_FREQUENCY, SirenWeights, draw_siren
from satgpu.encoders.teacher import Picture, Teacher
from satgpu.geometry.sampling import uniform_on_sphere

N_HELD_OUT = 1000
# what learned, what it had to find among, and what chance gives: k of 1000
RETRIEVAL_RANKS = (1, 10)
FIRST_LOGIT_SCALE = math.log(1 / 0.07)
MOST_LOGIT_SCALE = math.log(100.0)


@dataclass(frozen=True)
class Recipe:
    """How a pair is trained; nothing in it depends on L.

    Args:
        n_places: training places, uniform by area; 1000 more are held out.
        steps: optimiser steps.
        batch_size: places of a step; each picture is told from all others in it.
        learning_rate: peak of a cosine schedule with a short warm-up.
        weight_decay: AdamW's.
        seed: of first weights, places, their order and the projection.
    """

    n_places: int = 100_000
    steps: int = 1500
    batch_size: int = 1024
    learning_rate: float = 3e-4
    weight_decay: float = 1e-2
    seed: int = 0


@dataclass(frozen=True)
class Lessons:
    """Places with the teacher's features, training places first, the held-out ones last."""

    lonlat_deg: Tensor  # (N, 2)
    features: Tensor  # (N, F)

    @property
    def training(self) -> TensorDataset:
        return TensorDataset(self.lonlat_deg[:-N_HELD_OUT], self.features[:-N_HELD_OUT])

    @property
    def held_out(self) -> TensorDataset:
        return TensorDataset(self.lonlat_deg[-N_HELD_OUT:], self.features[-N_HELD_OUT:])


def make_lessons(picture: Picture, teacher: Teacher, recipe: Recipe) -> Lessons:
    """Draw the places and compute the teacher's features once, for every L alike."""
    generator = torch.Generator().manual_seed(recipe.seed)
    places = uniform_on_sphere(recipe.n_places + N_HELD_OUT, generator)
    return Lessons(places, teacher.features(picture, places, recipe.n_places))


class LocationContrast(LightningModule):
    """The encoder, the projection of the teacher's features, and the temperature.

    Args:
        legendre_polys: L of the spherical harmonics.
        n_features: F, the teacher's features.
        recipe: how it is trained; the first weights are those of ``untrained-lN-seedS``.
    """

    def __init__(self, legendre_polys: int, n_features: int, recipe: Recipe):
        super().__init__()
        self.legendre_polys, self.recipe = legendre_polys, recipe
        generator = torch.Generator().manual_seed(recipe.seed)
        drawn = draw_siren(legendre_polys**2, WIDTH, DIM, HIDDEN_LAYERS, generator)
        self.weight = nn.ParameterList([nn.Parameter(weight.float()) for weight, _ in drawn.layers])
        self.bias = nn.ParameterList([nn.Parameter(bias.float()) for _, bias in drawn.layers])
        self.projection = nn.Linear(n_features, DIM)
        with torch.no_grad():
            bound = 1 / math.sqrt(n_features)
            self.projection.weight.uniform_(-bound, bound, generator=generator)
            self.projection.bias.zero_()
        self.logit_scale = nn.Parameter(torch.tensor(FIRST_LOGIT_SCALE))

    @property
    def siren_weights(self) -> SirenWeights:
        """The encoder's weights as they are now, float64 copies."""
        pairs = zip(self.weight, self.bias, strict=True)
        return SirenWeights(tuple((w.detach().double().cpu(), b.detach().double().cpu()) for w, b in pairs))

    def forward(self, lonlat_deg: Tensor) -> Tensor:
        """(B, D) embeddings of (B, 2) degrees."""
        hidden = spherical_harmonics(lonlat_deg, self.legendre_polys).to(self.weight[0].dtype)
        for layer, (weight, bias) in enumerate(zip(self.weight, self.bias, strict=True)):
            hidden = functional.linear(hidden, weight, bias)
            if layer < len(self.weight) - 1:
                hidden = torch.sin(FIRST_FREQUENCY * hidden if layer == 0 else hidden)
        return hidden

    def similarity(self, lonlat_deg: Tensor, features: Tensor) -> Tensor:
        """(B, B) cosines: places in rows, pictures in columns."""
        places = functional.normalize(self(lonlat_deg), dim=1)
        return places @ functional.normalize(self.projection(features), dim=1).T

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Symmetric InfoNCE of one batch."""
        logits = self.logit_scale.exp() * self.similarity(*batch)
        right = torch.arange(len(logits), device=logits.device)
        loss = (functional.cross_entropy(logits, right) + functional.cross_entropy(logits.T, right)) / 2
        self.log_dict({"train/loss": loss, "train/temperature": (-self.logit_scale).exp()})
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Retrieval of the right picture among the held-out places."""
        self.log_dict({f"held_out/top{k}": share for k, share in retrieval(self.similarity(*batch)).items()})

    def on_train_batch_end(self, outputs: object, batch: object, batch_index: int) -> None:
        with torch.no_grad():
            self.logit_scale.clamp_(max=MOST_LOGIT_SCALE)

    def configure_optimizers(self) -> dict:
        """AdamW under a cosine schedule, warmed up over the first 5 % of the steps."""
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.recipe.learning_rate, weight_decay=self.recipe.weight_decay
        )
        steps, warm = self.recipe.steps, max(1, self.recipe.steps // 20)

        def factor(step: int) -> float:
            return min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def retrieval(similarity: Tensor) -> dict[int, Tensor]:
    """Share of places whose own picture is among the k most similar, k in ``RETRIEVAL_RANKS``; (B, B) cosines in."""
    own = similarity.diagonal()[:, None]
    rank = (similarity > own).sum(1)
    return {k: (rank < k).float().mean() for k in RETRIEVAL_RANKS}


class ShuffledPlaces(torch.utils.data.Sampler):
    """Indices of one batch after another, a pure function of seed and step, so that a resumed run goes on alike."""

    def __init__(self, n_places: int, batch_size: int, steps: int, seed: int, first_step: int = 0):
        self.n_places, self.batch_size, self.steps, self.seed = n_places, batch_size, steps, seed
        self.first_step = first_step

    def __len__(self) -> int:
        return self.steps - self.first_step

    def __iter__(self):
        for step in range(self.first_step, self.steps):
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
            yield torch.randint(self.n_places, (self.batch_size,), generator=generator)


def train(
    legendre_polys: int, lessons: Lessons, recipe: Recipe, folder: Path, device: str = "auto", resume: bool = False
) -> LocationContrast:
    """Train one encoder; TensorBoard events and checkpoints lie under ``folder``.

    Args:
        legendre_polys: L.
        lessons: the same for every L.
        recipe: the same for every L.
        folder: where this encoder's run is kept.
        device: a Lightning accelerator: auto, cpu or cuda.
        resume: go on from the last checkpoint there, if there is one.
    """
    module = LocationContrast(legendre_polys, lessons.features.shape[1], recipe)
    last = folder / "checkpoints" / "last.ckpt"
    checkpoint = str(last) if resume and last.exists() else None
    first_step = torch.load(checkpoint, weights_only=True)["global_step"] if checkpoint else 0
    batches = ShuffledPlaces(recipe.n_places, recipe.batch_size, recipe.steps, recipe.seed, first_step)
    trainer = Trainer(
        accelerator=device, devices=1, max_steps=recipe.steps, max_epochs=-1,
        logger=TensorBoardLogger(folder.parent, name=folder.name, version=""),
        callbacks=[ModelCheckpoint(folder / "checkpoints", save_last=True, every_n_train_steps=100, save_top_k=0)],
        check_val_every_n_epoch=None, val_check_interval=max(1, min(100, len(batches))),
        log_every_n_steps=max(1, min(10, len(batches))),
        enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(
        module,
        DataLoader(lessons.training, sampler=batches, batch_size=None),
        DataLoader(lessons.held_out, batch_size=N_HELD_OUT),
        ckpt_path=checkpoint,
    )
    return module


@torch.no_grad()
def held_out_retrieval(module: LocationContrast, lessons: Lessons) -> dict[int, float]:
    """Retrieval among the held-out places, k of 1000."""
    lonlat_deg, features = (tensor.to(module.device) for tensor in lessons.held_out.tensors)
    return {k: share.item() for k, share in retrieval(module.similarity(lonlat_deg, features)).items()}


def export(module: LocationContrast, path: Path, provenance: dict[str, str]) -> None:
    """Write the encoder alone as float16 safetensors, with what made it in the file's metadata."""
    from safetensors.torch import save_file

    weights = module.siren_weights
    names = [f"layers.{index}" for index in range(len(weights.layers) - 1)] + ["last_layer"]
    tensors = {}
    for name, (weight, bias) in zip(names, weights.layers, strict=True):
        tensors |= {f"{name}.weight": weight.half(), f"{name}.bias": bias.half()}
    hyper = {
        "le_type": "sphericalharmonics", "pe_type": "siren", "harmonics_calculation": "analytic",
        "legendre_polys": weights.legendre_polys, "capacity": WIDTH, "embed_dim": DIM,
        "num_hidden_layers": HIDDEN_LAYERS,
    }  # fmt: skip
    metadata = {
        "format": FILE_FORMAT,
        "hyper_parameters": json.dumps(hyper),
        "recipe": json.dumps(asdict(module.recipe)),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata=metadata | provenance)
