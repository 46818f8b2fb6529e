"""PyTorch, written by hand as its users do when speed matters: data in tensors, batches by index, the fused optimizers,
loss and accuracy summed in tensors and read once an epoch."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .workloads import SEED, Training

torch.set_num_threads(int(os.environ["PEERS_THREADS"]))


def linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def chain(widths: tuple[int, ...], relu_last: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (m, n) in enumerate(zip(widths, widths[1:])):
        layers.append(linear(m, n))
        if relu_last or i < len(widths) - 2:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class WideDeep(nn.Module):
    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.deep = chain(widths[:-1], relu_last=True)
        self.main, self.aux = linear(5 + widths[-2], 1), linear(widths[-2], 1)

    def forward(self, wide: torch.Tensor, deep: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.deep(deep)
        return self.main(torch.cat([wide, hidden], 1)), self.aux(hidden)


def loss_and_correct(
    kind: str, model: nn.Module, x: list[torch.Tensor], y: list[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor | None]:
    if kind == "classify":
        logits = model(x[0])
        return F.cross_entropy(logits, y[0]), (logits.argmax(1) == y[0]).sum()
    if kind == "regress":
        return F.mse_loss(model(x[0]), y[0]), None
    main, aux = model(*x)
    return 0.9 * F.mse_loss(main, y[0]) + 0.1 * F.mse_loss(aux, y[1]), None


class Model:
    def __init__(self, work: Training, data: tuple[list[Any], list[Any]], variant: str = "") -> None:
        torch.manual_seed(SEED)
        self.work = work
        self.x = [torch.from_numpy(a) for a in data[0]]
        self.y = [torch.from_numpy(a) for a in data[1]]
        if work.kind == "classify":
            self.y = [a.long() for a in self.y]
        self.model = WideDeep(work.widths) if work.kind == "wide_deep" else chain(work.widths)
        kind: Any = torch.optim.Adam if work.optimizer == "adam" else torch.optim.SGD
        self.optimizer = kind(self.model.parameters(), lr=work.rate, fused=True)

    def fit(self, on_epoch: Callable[[dict[str, float]], bool]) -> None:
        rows, batch, kind, model = self.work.rows, self.work.batch, self.work.kind, self.model
        model.train()
        done = False
        while not done:
            order = torch.randperm(rows)
            total, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
            for i in range(0, rows, batch):
                pick = order[i : i + batch]
                x, y = [a[pick] for a in self.x], [a[pick] for a in self.y]
                self.optimizer.zero_grad(set_to_none=True)
                loss, hits = loss_and_correct(kind, model, x, y)
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
