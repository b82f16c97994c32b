"""TorchScript files: traced, compared with torch, and with the facts of the run inside."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ganatomy.errors import UserError
from ganatomy.export.agreement import Agreement, compare
from ganatomy.export.onnx_file import quiet

if TYPE_CHECKING:
    from ganatomy.export.graphs.graph import Graph
    from ganatomy.export.graphs.trial import Inputs

FACTS = "ganatomy.json"
"""Name of the facts among a TorchScript file's extra files."""
WRITTEN_ANEW = ("version", "byteorder", ".data/serialization_id")
"""Records that torch's writer adds by itself."""


def torchscript_of(
    graph: Graph, batches: Sequence[Inputs], facts: Mapping[str, Any]
) -> tuple[bytes, Agreement]:
    """Trace a network and return the file with its agreement with torch.

    Args:
        graph: The network.
        batches: Inputs on which the file is compared with torch.
        facts: Kept in the file, as JSON.

    Raises:
        UserError: The traced network does not give torch's values on every input.
    """
    with quiet(), torch.no_grad():
        try:
            traced = torch.jit.trace(graph.module, batches[0], check_trace=False)  # type: ignore[no-untyped-call]
        except (RuntimeError, TypeError, ValueError) as error:
            raise UserError(_refusal(graph, str(error))) from error
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer, _extra_files={FACTS: json.dumps(facts, sort_keys=True)})
    content = without_paths(buffer.getvalue())
    try:
        found = compare(graph, opened(content), batches)
    except RuntimeError as error:
        raise UserError(_refusal(graph, str(error))) from error
    if not found.kept:
        raise UserError(_refusal(graph, found.words()))
    return content, found


def _refusal(graph: Graph, reason: str) -> str:
    return (
        f"format=torchscript: {type(graph.module).__name__} cannot be traced so that it agrees with torch "
        f"({' '.join(reason.split())[:160]}); format=onnx or safetensors may do"
    )


def opened(content: bytes) -> Callable[..., list[Any]]:
    """Return a TorchScript file as a function of arrays."""
    network = torch.jit.load(io.BytesIO(content))  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def call(*arrays: Any) -> list[Any]:
        found = network(*map(torch.from_numpy, arrays))
        return [part.numpy() for part in (found if isinstance(found, tuple) else (found,))]

    return call


def without_paths(content: bytes) -> bytes:
    """Return a TorchScript file without its notes for debuggers, which name files of this machine."""
    reader = torch._C.PyTorchFileReader(io.BytesIO(content))
    buffer = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(buffer)
    for name in reader.get_all_records():
        if not name.endswith(".debug_pkl") and name not in WRITTEN_ANEW:
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    return buffer.getvalue()
