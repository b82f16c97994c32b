"""All games of games.py, the held-out ones last."""

from __future__ import annotations

from dataclasses import replace

from benchmarks import _games, _healthy_games
from benchmarks._held_out_games import HELD_OUT_FAILED, HELD_OUT_HEALTHY

FAILED = (*_games.FAILED, *(replace(game, held_out=True) for game in HELD_OUT_FAILED))
HEALTHY = (*_healthy_games.HEALTHY, *(replace(game, held_out=True) for game in HELD_OUT_HEALTHY))
TAKEN_BACK = _games.TAKEN_BACK
