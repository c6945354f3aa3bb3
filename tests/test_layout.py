"""Where tokens lie: hand-worked places."""

import numpy as np

from core_models.clip import Word
from core_models.layout import FrameGrid, TimeGrid, WordGrid


def test_video_is_frame_major_then_row_major() -> None:
    grid = FrameGrid(np.array([0.5, 1.5]), rows=2, cols=3)
    spread = grid.spread(np.arange(12.0))
    assert grid.size == 12
    assert spread.shape == (2, 2, 3)
    assert spread[1, 0, 2] == 8  # second frame, first row, last column


def test_sound_tokens_are_spans() -> None:
    grid = TimeGrid(np.array([0.0, 0.4, 0.8, 1.0]))
    assert grid.size == 3
    np.testing.assert_array_equal(grid.spread(np.array([1.0, 2.0, 3.0])), [1, 2, 3])


def test_a_word_is_the_sum_of_its_pieces() -> None:
    grid = WordGrid((Word("skate"), Word("boarding")), np.array([0, 1, 1]))
    scores = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(grid.spread(scores), [[0.2, 0.8], [1.0, 0.0]])
