"""Moves weights between dermaglyph and PyTorch's DCGAN example, in both directions.

usage: pytorch_exchange.py to-torch CHECKPOINT.safetensors G.pt [D.pt]     (needs torch, safetensors)
       pytorch_exchange.py from-torch G.pt OUT.safetensors

`to-torch` writes state dicts that `load_state_dict(..., strict=True)` accepts, and proves it by
loading them into modules built as in pytorch/examples/dcgan. The generator is the averaged one.
`from-torch` writes a file for `dermaglyph generate --from OUT.safetensors`.
"""
import sys

import torch
import torch.nn as nn
from safetensors.torch import load_file, save_file


def generator(weights):
    """The example's generator, for whatever sizes the weights have."""
    convs = sorted((int(k.split(".")[1]), v.shape) for k, v in weights.items() if v.ndim == 4)
    layers = []
    for i, (_, (inputs, outputs, size, _)) in enumerate(convs):
        stride, padding = (1, 0) if i == 0 else (2, 1)
        layers.append(nn.ConvTranspose2d(inputs, outputs, size, stride, padding, bias=False))
        if i + 1 < len(convs):
            layers += [nn.BatchNorm2d(outputs), nn.ReLU(True)]
    return Main(*layers, nn.Tanh())


def discriminator(weights):
    """The example's discriminator; its Sigmoid is the loss's business in dermaglyph."""
    convs = sorted((int(k.split(".")[1]), v.shape) for k, v in weights.items() if v.ndim == 4)
    layers = []
    for i, (_, (outputs, inputs, size, _)) in enumerate(convs):
        last = i + 1 == len(convs)
        layers.append(nn.Conv2d(inputs, outputs, size, 1 if last else 2, 0 if last else 1, bias=False))
        if 0 < i and not last:
            layers.append(nn.BatchNorm2d(outputs))
        layers.append(nn.Sigmoid() if last else nn.LeakyReLU(0.2, inplace=True))
    return Main(*layers)


class Main(nn.Module):
    """The example keeps its layers in `self.main`, hence names such as `main.0.weight`."""

    def __init__(self, *layers):
        super().__init__()
        self.main = nn.Sequential(*layers)

    def forward(self, x):
        return self.main(x)


def part(tensors, prefix):
    found = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    if not found:
        sys.exit(f"no tensor starts with {prefix}: is this a dermaglyph checkpoint?")
    return found


def to_torch(checkpoint, g_path, d_path=None):
    tensors = load_file(checkpoint)
    for prefix, build, path in [("generator_ema.", generator, g_path), ("discriminator.", discriminator, d_path)]:
        if path:
            weights = part(tensors, prefix)
            build(weights).load_state_dict(weights, strict=True)
            torch.save(weights, path)
            print(f"{path}: {len(weights)} tensors")


def from_torch(g_path, out):
    weights = torch.load(g_path, map_location="cpu", weights_only=True)
    save_file({k: v.contiguous() for k, v in weights.items()}, out)
    print(f"{out}: {len(weights)} tensors")


if __name__ == "__main__":
    commands = {"to-torch": to_torch, "from-torch": from_torch}
    if len(sys.argv) < 4 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])
