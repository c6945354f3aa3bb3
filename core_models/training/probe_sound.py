"""How deep to hear: ``python -m core_models.training.probe_sound TOWERS``.

Five-fold accuracy on ESC-10 of a linear classifier over SoundNet's features, pooled over time by
mean and maximum, for each depth; the folds are the official ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from core_models.encoders import SoundTower
from core_models.training.ship import SOUND, sound_state
from core_models.training.sounds import Sound, esc10, waveform

DEPTHS = (4, 5, 6, 7)


def tower_of(weights: Path, depth: int) -> SoundTower:
    """SoundNet up to a convolution."""
    config = {**SOUND, "depth": depth}
    tower = SoundTower(config).eval()
    state = sound_state(load_file(weights), config)
    tower.load_state_dict({k: v.float() for k, v in state.items() if v.is_floating_point()}, False)
    return tower


@torch.no_grad()
def pooled(tower: SoundTower, sounds: list[Sound]) -> Tensor:
    """Root of the mean and maximum over time: (sounds, 2 d)."""
    rows = []
    for sound in sounds:
        x = tower(torch.from_numpy(waveform(sound.path, tower.rate))[None])[0]  # (N, d)
        rows.append(torch.cat([x.mean(dim=0), x.amax(dim=0)]).sqrt())
    return torch.stack(rows)


def accuracy(x: Tensor, labels: Tensor, held: Tensor) -> float:
    """Accuracy on the held-out rows of a classifier fitted on the others."""
    mean, std = x[~held].mean(dim=0), x[~held].std(dim=0) + 1e-2
    x = (x - mean) / std
    torch.manual_seed(0)
    net = nn.Linear(x.shape[1], int(labels.max()) + 1)
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=0.3)
    for _ in range(150):
        logits = net(F.dropout(x[~held], 0.5))
        loss = F.cross_entropy(logits, labels[~held], label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    right = net(x[held]).argmax(dim=1) == labels[held]
    return float(right.float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description="ESC-10 probes of SoundNet's depths.")
    parser.add_argument("towers", type=Path)
    parser.add_argument("--data", type=Path, default=Path("data"))
    args = parser.parse_args()
    sounds = list(esc10(args.data / "esc10"))
    kinds = sorted({sound.path.parent.name for sound in sounds})
    labels = torch.tensor([kinds.index(sound.path.parent.name) for sound in sounds])
    folds = torch.tensor([int(sound.path.name[0]) for sound in sounds])
    for depth in DEPTHS:
        tower = tower_of(args.towers / "soundnet8.safetensors", depth)
        x = pooled(tower, sounds)
        shares = [accuracy(x, labels, folds == fold) for fold in range(1, 6)]
        mean, step = sum(shares) / 5, tower.stride / tower.rate
        print(f"conv{depth}  {step:.2f} s a token  {mean:.2%}", flush=True)


if __name__ == "__main__":
    main()
