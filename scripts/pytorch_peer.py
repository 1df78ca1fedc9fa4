"""The DCGAN of PyTorch's examples as a worker that scripts/compare-pytorch drives.

It builds everything, makes one step (or one batch of images), prints `TORCH VERSION CAPABILITY` and
`FIRST SECONDS` since its start, then obeys standard input as `dermaglyph bench step --serve` does: `step`
makes one more and prints `T SECONDS`, `quit` ends. Sizes are given by the same flags.
"""

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402
import sys  # noqa: E402

import torch  # noqa: E402
from torch import nn  # noqa: E402


def base_and_doublings(size):
    """64 is (4, 4): a map of 4 pixels, doubled four times."""
    for base in (4, 5, 6, 7):
        for doublings in range(1, 9):
            if base << doublings == size:
                return base, doublings
    raise SystemExit(f"image size {size} is no map of 4 to 7 pixels doubled")


class Generator(nn.Module):
    """Latents [n, nz, 1, 1] -> images [n, channels, size, size] in [-1, 1]."""

    def __init__(self, size, channels, nz, ngf):
        super().__init__()
        base, doublings = base_and_doublings(size)
        width = ngf << (doublings - 1)
        layers = [nn.ConvTranspose2d(nz, width, base, 1, 0, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)]
        for _ in range(doublings - 1):
            layers += [
                nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False),
                nn.BatchNorm2d(width // 2),
                nn.ReLU(True),
            ]
            width //= 2
        layers += [nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*layers)

    def forward(self, z):
        return self.main(z)


class Discriminator(nn.Module):
    """Images -> probabilities [n]."""

    def __init__(self, size, channels, ndf):
        super().__init__()
        base, doublings = base_and_doublings(size)
        layers = [nn.Conv2d(channels, ndf, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        width = ndf
        for _ in range(doublings - 1):
            layers += [
                nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
                nn.BatchNorm2d(2 * width),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            width *= 2
        layers += [nn.Conv2d(width, 1, base, 1, 0, bias=False), nn.Sigmoid()]
        self.main = nn.Sequential(*layers)

    def forward(self, x):
        return self.main(x).view(-1)


def initialise(module):
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def build(args, network):
    network.apply(initialise)
    if args.channels_last:
        network = network.to(memory_format=torch.channels_last)
    return network


def training(args):
    """One training step of the example, as a function."""
    n = args.batch_size
    g = build(args, Generator(args.image_size, args.channels, args.nz, args.ngf))
    d = build(args, Discriminator(args.image_size, args.channels, args.ndf))
    real = torch.rand(n, args.channels, args.image_size, args.image_size) * 2 - 1
    if args.channels_last:
        real = real.contiguous(memory_format=torch.channels_last)
    adam = {"lr": 2e-4, "betas": (0.5, 0.999)} | ({"fused": True} if args.fused else {})
    g_adam, d_adam = torch.optim.Adam(g.parameters(), **adam), torch.optim.Adam(d.parameters(), **adam)
    run_g, run_d = (torch.compile(g), torch.compile(d)) if args.compile else (g, d)
    bce, ones, zeros = nn.BCELoss(), torch.ones(n), torch.zeros(n)

    def step():
        d.zero_grad()
        loss_real = bce(run_d(real), ones)
        loss_real.backward()
        fake = run_g(torch.randn(n, args.nz, 1, 1))
        loss_fake = bce(run_d(fake.detach()), zeros)
        loss_fake.backward()
        d_adam.step()
        g.zero_grad()
        # The example computes D's weight gradients here and throws them away.
        d.requires_grad_(not args.frozen)
        loss_g = bce(run_d(fake), ones)
        loss_g.backward()
        d.requires_grad_(True)
        g_adam.step()
        losses = [loss_real.item(), loss_fake.item(), loss_g.item()]
        if not all(map(lambda loss: 0 <= loss < float("inf"), losses)):
            raise SystemExit(f"losses of PyTorch's step: {losses}")

    return step


def generation(args):
    """One batch of images in evaluation mode, as a function."""
    g = build(args, Generator(args.image_size, args.channels, args.nz, args.ngf)).eval()
    run_g = torch.compile(g) if args.compile else g
    latents = torch.randn(args.batch_size, args.nz, 1, 1)

    def step():
        with torch.inference_mode():
            # Ours hands over images in PyTorch's order, so this does too.
            run_g(latents).contiguous()

    return step


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["step", "generate"])
    for flag, default in [
        ("batch-size", 128),
        ("channels", 3),
        ("image-size", 64),
        ("nz", 100),
        ("ngf", 64),
        ("ndf", 64),
        ("threads", 1),
    ]:
        parser.add_argument(f"--{flag}", type=int, default=default)
    parser.add_argument("--channels-last", action="store_true", help="channels innermost in memory")
    parser.add_argument("--frozen", action="store_true", help="no gradients of D's weights while G learns")
    parser.add_argument("--fused", action="store_true", help="fused Adam")
    parser.add_argument("--compile", action="store_true", help="torch.compile both networks")
    return parser.parse_args()


def main():
    args = parse()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    step = training(args) if args.what == "step" else generation(args)
    step()
    print(f"TORCH {torch.__version__} {torch.backends.cpu.get_cpu_capability()}", flush=True)
    print(f"FIRST {time.perf_counter() - STARTED:.6f}", flush=True)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        if line.strip() != "step":
            raise SystemExit(f"expected step or quit, not {line!r}")
        asked = time.perf_counter()
        step()
        print(f"T {time.perf_counter() - asked:.6f}", flush=True)


if __name__ == "__main__":
    main()
