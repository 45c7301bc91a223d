"""A small network of inverted residuals (Sandler et al., MobileNetV2, CVPR 2018), with squeeze-and-excitation."""

from torch import Tensor, nn


class Squeeze(nn.Module):
    """Scales every channel by a number that follows from the means of all."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // 4, 1)
        self.expand = nn.Conv2d(channels // 4, channels, 1)
        self.relu, self.sigmoid = nn.ReLU(), nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean(dim=(2, 3), keepdim=True)
        return x * self.sigmoid(self.expand(self.relu(self.reduce(means))))


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int = 4) -> None:
        super().__init__()
        hidden = expansion * inputs
        self.adds = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, hidden, 3, stride, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            Squeeze(hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.adds else self.body(x)


def build(classes: int = 10, channels: int = 3) -> nn.Module:
    stages = [(16, 1), (16, 1), (24, 2), (24, 1), (40, 2), (40, 1)]
    layers: list[nn.Module] = [nn.Conv2d(channels, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()]
    inputs = 16
    for outputs, stride in stages:
        layers.append(InvertedResidual(inputs, outputs, stride))
        inputs = outputs
    head = [nn.Conv2d(inputs, 160, 1, bias=False), nn.BatchNorm2d(160), nn.ReLU6(), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, *head, nn.Flatten(), nn.Dropout(0.1), nn.Linear(160, classes))
