"""PyTorch, written by hand as its users do when speed matters: data in tensors, batches by index, images with their channels
last, the fused optimizers, loss and accuracy summed in tensors and read once an epoch."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .workloads import BLOCKS, SEED, Training

torch.set_num_threads(int(os.environ["PEERS_THREADS"]))


def linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}


def chain(widths: tuple[int, ...], activation: str = "relu", last: bool = False) -> nn.Sequential:
    """Dense layers with activations between them; with `last`, after the last one, too."""
    layers: list[nn.Module] = []
    for i, (m, n) in enumerate(zip(widths, widths[1:])):
        layers.append(linear(m, n))
        if last or i < len(widths) - 2:
            layers.append(ACTIVATIONS[activation]())
    return nn.Sequential(*layers)


class WideDeep(nn.Module):
    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.deep = chain(widths[:-1], last=True)
        self.main, self.aux = linear(5 + widths[-2], 1), linear(widths[-2], 1)

    def forward(self, wide: torch.Tensor, deep: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.deep(deep)
        return self.main(torch.cat([wide, hidden], 1)), self.aux(hidden)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = F.relu(self.norm1(self.first(x)))
        return F.relu(x + self.norm2(self.second(inner)))


class Mean(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def build(work: Training) -> nn.Module:
    widths = work.widths
    if work.kind == "wide_deep":
        return WideDeep(widths)
    if work.kind == "cnn":
        layers: list[nn.Module] = []
        for m, n in ((1, widths[0]), widths[:2]):
            layers += [nn.Conv2d(m, n, 3), nn.ReLU(), nn.MaxPool2d(2)]
        return nn.Sequential(*layers, nn.Flatten(), chain((25 * widths[1], *widths[2:])))
    if work.kind == "residual":
        stem = [nn.Conv2d(3, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
        return nn.Sequential(*stem, *(Block(widths[0]) for _ in range(BLOCKS)), Mean(), linear(*widths))
    return chain(widths, work.activation)


def loss_and_correct(
    work: Training, model: nn.Module, x: list[torch.Tensor], y: list[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor | None]:
    if work.classifies:
        logits = model(x[0])
        return F.cross_entropy(logits, y[0]), (logits.argmax(1) == y[0]).sum()
    if work.kind == "regress":
        return F.mse_loss(model(x[0]), y[0]), None
    main, aux = model(*x)
    return 0.9 * F.mse_loss(main, y[0]) + 0.1 * F.mse_loss(aux, y[1]), None


class Model:
    def __init__(self, work: Training, data: tuple[list[Any], list[Any]], variant: str = "") -> None:
        torch.manual_seed(SEED)
        self.work = work
        self.x = [torch.from_numpy(a) for a in data[0]]
        self.y = [torch.from_numpy(a) for a in data[1]]
        if work.classifies:
            self.y = [a.long() for a in self.y]
        self.model = build(work)
        self.images = self.x[0].dim() == 4
        if self.images:
            self.model = self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        kind: Any = torch.optim.Adam if work.optimizer == "adam" else torch.optim.SGD
        self.optimizer = kind(self.model.parameters(), lr=work.rate, fused=True)

    def fit(self, on_epoch: Callable[[dict[str, float]], bool]) -> None:
        rows, batch, model = self.work.rows, self.work.batch, self.model
        model.train()
        done = False
        while not done:
            order = torch.randperm(rows)
            total, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
            for i in range(0, rows, batch):
                pick = order[i : i + batch]
                x, y = [a[pick] for a in self.x], [a[pick] for a in self.y]
                if self.images:
                    x = [a.permute(0, 3, 1, 2) for a in x]
                self.optimizer.zero_grad(set_to_none=True)
                loss, hits = loss_and_correct(self.work, model, x, y)
                loss.backward()
                self.optimizer.step()
                total += loss.detach() * len(pick)
                if hits is not None:
                    correct += hits
            done = on_epoch({"loss": total.item() / rows, "accuracy": correct.item() / rows})

    def one_row(self) -> dict[str, Callable[[], Any]]:
        self.model.eval()
        x = np.ascontiguousarray(self.x[0][:1].numpy())

        @torch.inference_mode()
        def call() -> Any:
            return torch.softmax(self.model(torch.from_numpy(x)), 1).numpy()

        return {"model": call}


def search(configs: list[dict[str, Any]], x: Any, y: Any, variant: str = "") -> list[float]:
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    losses = []
    for config in configs:
        model = chain((8, *[config["width"]] * config["hidden"], 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=config["rate"], fused=True)
        for _ in range(2):
            order, total = torch.randperm(len(x)), torch.zeros(())
            for i in range(0, len(x), 32):
                pick = order[i : i + 32]
                optimizer.zero_grad(set_to_none=True)
                loss = F.mse_loss(model(x[pick]), y[pick])
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(pick)
        losses.append(total.item() / len(x))
    return losses
