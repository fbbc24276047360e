"""Make the image that the notebook analyses: a fractured rock surface, from a seed.

``python make_scan.py`` writes ``scan.npy`` (1024 × 1024, float32, 4 MB) beside this file; the same file on every
machine with the same version of NumPy. ``python make_scan.py --scratch`` adds a scratch to the existing file, as if one
corner had been scanned again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

PATH = Path(__file__).parent / "scan.npy"
SIZE = 1024


def surface(rng: np.random.Generator) -> np.ndarray:
    """Rough heights, whose power falls with the cube of the frequency, and straight cracks across them."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE)))
    frequency[0, 0] = 1.0
    spectrum = np.fft.fft2(rng.standard_normal((SIZE, SIZE))) / frequency**1.5
    heights = np.fft.ifft2(spectrum).real
    heights /= heights.std()
    y, x = np.mgrid[:SIZE, :SIZE]
    for _ in range(40):
        angle, offset, depth = rng.uniform(0, np.pi), rng.uniform(0, SIZE), rng.uniform(0.3, 1.0)
        distance = np.abs((x - SIZE / 2) * np.cos(angle) + (y - SIZE / 2) * np.sin(angle) + SIZE / 2 - offset)
        heights -= depth * np.exp(-((distance / 2) ** 2))
    return heights.astype(np.float32)


def main() -> None:
    if "--scratch" in sys.argv:
        scan = np.load(PATH)
        np.fill_diagonal(scan[:96, :96], scan.min())
    else:
        scan = surface(np.random.default_rng(20_240_101))
    np.save(PATH, scan)


if __name__ == "__main__":
    main()
