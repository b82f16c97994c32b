"""Arithmetic of the processor or card that trains."""

from __future__ import annotations

import torch

BFLOAT16 = ("avx512_bf16", "amx_bf16", "sve_bf16", "bf16")
"""Capabilities that multiply in bfloat16, as `torch.cpu.get_capabilities` names them (x86 and ARM)."""


def bfloat16_unit(device: torch.device) -> str:
    """Return what multiplies in bfloat16 on this device; empty where nothing does faster than float32."""
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.cuda.get_device_name(device) if fast else ""
    if device.type != "cpu":
        return ""
    found = torch.cpu.get_capabilities()
    return next((name for name in BFLOAT16 if found.get(name)), "")


def name(device: torch.device) -> str:
    """Return the name of the processor or card."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    known = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return str(known.get("cpu_name", device.type))
