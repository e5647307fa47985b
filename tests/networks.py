"""Small real networks that tests export, run and compare."""

from __future__ import annotations

import torch
from torch import nn

from vedette_base.export import fold_norms

LABELS = ("bang", "boom", "crack")


class Block(nn.Module):
    """A residual block with a grouped convolution: the shapes that real networks have."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, groups=4, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class Net(nn.Module):
    """Convolutions, a transposed one, a linear layer with a bias and one without."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.blocks = nn.Sequential(Block(channels), Block(channels))
        self.up = nn.ConvTranspose2d(channels, 6, 2, stride=2)
        self.hidden = nn.Linear(6, 12, bias=False)
        self.head = nn.Linear(12, len(LABELS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.up(self.blocks(torch.relu(self.norm(self.stem(x)))))
        return torch.sigmoid(self.head(torch.relu(self.hidden(x.mean((2, 3))))))


def trained() -> nn.Module:
    """A network whose norms have something to fold, as after training."""
    torch.manual_seed(7)
    net = Net()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.6, 1.4)
            nn.init.normal_(module.bias, 0, 0.1)
            module.running_mean = torch.randn(module.num_features) * 0.1
            module.running_var = torch.rand(module.num_features) * 0.3 + 0.1
    with torch.no_grad():
        net.head.weight *= 4  # scores that differ
    folded: nn.Module = fold_norms(net.eval())
    return folded
