"""From a decoded frame to an upright RGB picture of the wanted size."""

from __future__ import annotations

import struct
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND
QUARTERS = ((False, False, False), (True, False, True), (False, True, True), (True, True, False))
Image = NDArray[np.uint8]
Turn = tuple[bool, bool, bool]


def turn(frame: Any) -> Turn:
    """How to make a frame upright: transpose, then flip left-right, then up-down."""
    try:
        side = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # beside it lies something that av has no name for
        return QUARTERS[round(frame.rotation / 90) % 4]
    data = bytes(side) if side is not None else bytes(36)
    a, b, _, c, d = struct.unpack("=5i", data[:20])
    swap = abs(b) + abs(c) > abs(a) + abs(d)
    return swap, (c if swap else a) < 0, (b if swap else d) < 0


def upright(image: Image, how: Turn) -> Image:
    """A (H, W, 3) picture turned and flipped."""
    swap, mirror, flip = how
    image = image.swapaxes(0, 1) if swap else image
    image = image[:, ::-1] if mirror else image
    return np.ascontiguousarray(image[::-1] if flip else image)


def display_size(frame: Any, video: Any) -> tuple[int, int]:
    """Width and height as shown, before turning: pixels that are not square count."""
    aspect = float(video.sample_aspect_ratio or 1)
    aspect = aspect if 0.1 < aspect < 10 else 1.0
    return max(1, round(frame.width * aspect)), frame.height


def fit(size: tuple[int, int], bound: tuple[int, int], step: int = 1) -> tuple[int, int]:
    """The size scaled down to lie within the bound, both sides multiples of step."""
    scale = min(1.0, bound[0] / size[0], bound[1] / size[1])
    width, height = (max(step, round(side * scale / step) * step) for side in size)
    return width, height


class Painter:
    """Frames as upright RGB, all of one size: that of the first, scaled down into a bound."""

    def __init__(self, bound: tuple[int, int], step: int = 1) -> None:
        self.bound, self.step = bound, step
        self.size = self.shown = (0, 0)  # scaled, as stored; in the file, upright
        self.how = QUARTERS[0]

    def __call__(self, frame: Any, video: Any) -> Image:
        """Pixels (H, W, 3)."""
        if not self.size[0]:
            self.how = turn(frame)
            order = -1 if self.how[0] else 1
            bound = self.bound[::order]
            size = display_size(frame, video)
            self.size = fit(size, (bound[0], bound[1]), self.step)
            self.shown = (size[::order][0], size[::order][1])
        width, height = self.size
        plain = {"format": "rgb24", "interpolation": SCALING, "threads": 1}
        try:
            scaled = frame.reformat(width, height, **plain)
        except (av.FFmpegError, ValueError):  # a colour space that swscale does not know
            scaled = frame.reformat(
                width, height, src_colorspace="ITU601", dst_colorspace="ITU601", **plain
            )
        return upright(scaled.to_ndarray(), self.how)
