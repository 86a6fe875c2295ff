"""Training that gives the same weights every time: AdamW, warm-up and cosine, moved images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samples.training.images import LabelledImages
from samples.training.sample import TrainingPlan

Progress = Callable[[int, float], None]
_JUDGED_AT_A_TIME = 500


def train(
    network: nn.Module, learned: LabelledImages, plan: TrainingPlan, progress: Progress
) -> None:
    """Train a network in place, on one thread: two runs on one machine give equal bits.

    Args:
        network: maps [B, C, H, W] to logits [B, K]; left in eval mode.
        learned: at least one batch of them.
        plan: how.
        progress: told, after each epoch, its number from 1 on and its mean loss.
    """
    images, labels = torch.from_numpy(learned.pixel_values()), torch.from_numpy(learned.labels)
    with reproducible():
        generator = torch.Generator().manual_seed(plan.seed)
        optimizer = _optimizer(network, plan)
        steps_per_epoch = len(learned) // plan.batch
        network.train()
        for epoch in range(plan.epochs):
            order = torch.randperm(len(learned), generator=generator)
            losses = []
            for step in range(steps_per_epoch):
                chosen = order[step * plan.batch : (step + 1) * plan.batch]
                _set_learning_rate(optimizer, plan, epoch + step / steps_per_epoch)
                moved = move_images(images[chosen], plan, generator)
                losses.append(_step(network, optimizer, moved, labels[chosen], plan))
            progress(epoch + 1, sum(losses) / len(losses))
        network.eval()


def accuracy(network: nn.Module, images: LabelledImages) -> float:
    """Share of the images that the network gets right."""
    right = 0
    with reproducible(), torch.inference_mode():
        for start in range(0, len(images), _JUDGED_AT_A_TIME):
            part = images[start : start + _JUDGED_AT_A_TIME]
            logits: Tensor = network(torch.from_numpy(part.pixel_values()))
            right += int(np.sum(logits.argmax(dim=1).numpy() == part.labels))
    return right / len(images)


@contextmanager
def reproducible() -> Iterator[None]:
    """One thread and deterministic algorithms; what was set before comes back."""
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)


def move_images(images: Tensor, plan: TrainingPlan, generator: torch.Generator) -> Tensor:
    """Rotate, scale, shift and, where asked, mirror each image [B, C, H, W] at random."""
    batch = len(images)

    def amounts(largest: float) -> Tensor:
        return (torch.rand(batch, generator=generator) * 2 - 1) * largest

    angle, scale = amounts(math.radians(plan.rotation_degrees)), amounts(plan.zoom).exp()
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    across, down = amounts(plan.shift), amounts(plan.shift)
    rows = torch.stack([cosine, -sine, across, sine, cosine, down], dim=1)
    if plan.mirror:
        left_to_right = torch.rand(batch, generator=generator) < 0.5
        rows[left_to_right, 0] *= -1
        rows[left_to_right, 3] *= -1
    grid = F.affine_grid(rows.view(batch, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _optimizer(network: nn.Module, plan: TrainingPlan) -> torch.optim.Optimizer:
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        scan_own = name.endswith((".A_logs", ".Ds", ".dt_projs_bias"))
        (free if parameter.ndim < 2 or scan_own else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": plan.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate)


def _set_learning_rate(optimizer: torch.optim.Optimizer, plan: TrainingPlan, epoch: float) -> None:
    """`epoch` counts what is done, with fractions."""
    warm = min(1.0, epoch / plan.warmup_epochs + 0.02)
    cosine = (1 + math.cos(math.pi * epoch / plan.epochs)) / 2
    for group in optimizer.param_groups:
        group["lr"] = plan.learning_rate * warm * cosine


def _step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    plan: TrainingPlan,
) -> float:
    loss = F.cross_entropy(network(images), labels, label_smoothing=plan.label_smoothing)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), plan.gradient_norm)
    optimizer.step()
    return float(loss.detach())
