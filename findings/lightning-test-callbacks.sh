#!/usr/bin/env bash
# Lightning: testing a checkpoint after a training also sets the callbacks back to that checkpoint, but not the trainer's counters.
#
# One would guess: trainer.test(ckpt_path="best.ckpt") takes the weights from the file, and what the callbacks saw in training stays theirs.
# What happens: load_state_dict of every callback is called with what stood in the file. A callback that counted 5 batches has counted 2 when
#   the test begins, while trainer.global_step still says 5. Nothing is said.
# Why it matters: whatever a callback reports at the end (its best score, a warning, what it has seen) is that of the step of the best
#   checkpoint: all that happened after it is forgotten just before it is written down.
# Versions: pytorch-lightning 2.6.6, torch 2.13.0.
# This project: the guard and the rollbacks keep what they have when a test begins (ganatomy.callbacks.guard).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    pytorch-lightning==2.6.6 torch==2.13.0; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY' 2>/dev/null
import sys

import pytorch_lightning as pl
import torch


class Count(pl.Callback):
    seen = 0

    def on_train_batch_end(self, trainer, *rest):
        self.seen += 1
        if self.seen == 2:
            trainer.save_checkpoint("early.ckpt")

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


class Line(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, index):
        return self.layer(batch).mean()

    def test_step(self, batch, index):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


count, line = Count(), Line()
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
trainer = pl.Trainer(max_steps=5, callbacks=[count], accelerator="cpu", **quiet)
data = torch.utils.data.DataLoader(torch.ones(8, 1))
trainer.fit(line, data)
after = count.seen
trainer.test(line, data, ckpt_path="early.ckpt", verbose=False)
print(f"expected: after the test the callback has still seen {after} batches")
print(f"seen: {count.seen} batches, while trainer.global_step is {trainer.global_step}")
sys.exit(not (after == 5 and count.seen == 2 and trainer.global_step == 5))
PY
