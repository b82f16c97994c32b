"""ONNX files: exported, compared with torch in onnxruntime, and with the facts of the run inside."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ganatomy.errors import UserError
from ganatomy.export.agreement import Agreement, compare

if TYPE_CHECKING:
    from ganatomy.export.graphs.graph import Graph
    from ganatomy.export.graphs.trial import Inputs

OPSET = 18
"""Version of the operators: of 2022, which current runtimes know."""
LOGGERS = ("torch.onnx", "torch.onnx._internal.exporter", "onnxscript", "onnx_ir")


def onnx_of(
    graph: Graph, step: int, batches: Sequence[Inputs], progress: Callable[[str], None]
) -> tuple[bytes, Agreement, bool]:
    """Export a network, with free batch size and sides if that agrees with torch, else with fixed sides.

    Args:
        graph: The network.
        step: By what multiple its sides may differ from those of training; 0 if they may not.
        batches: Inputs on which the file is compared with torch.
        progress: Prints a line.

    Returns:
        The file, its agreement with torch, and whether its sides are free.

    Raises:
        UserError: No way of exporting gives torch's values.
    """
    example = batches[1 if len(batches[0][0]) == 1 else 0]
    if len(example[0]) == 1:  # a single row is taken for a constant
        example = tuple(torch.cat([part, part]) for part in example)
    reasons = []
    for free in (True, False) if step else (False,):
        suited = [batch for batch in batches if free or batch[0].shape[2:] == example[0].shape[2:]]
        try:
            content = _exported(graph, example, free)
            found = compare(graph, session(content), suited)
        except UserError:
            raise
        except Exception as error:  # whatever an exporter or a runtime raises
            reasons.append(f"{type(error).__name__}: {' '.join(str(error).split())[:160]}")
            continue
        if found.kept:
            return content, found, free
        reasons.append(found.words())
        if free:
            progress(
                f"with free sides the file does not agree with torch ({reasons[-1]}); trying fixed sides"
            )
    raise UserError(
        f"format=onnx: {type(graph.module).__name__} cannot be exported so that it agrees with torch "
        f"({reasons[-1]}); format=torchscript or safetensors may do"
    )


def _exported(graph: Graph, example: Inputs, free: bool) -> bytes:
    """Return the file of one way to export; no path of this machine is in it."""
    dynamic = torch.export.Dim.DYNAMIC
    shapes = tuple(
        {0: dynamic, **(dict.fromkeys(range(2, part.dim()), dynamic) if free else {})} for part in example
    )
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            graph.module,
            example,
            dynamo=True,
            dynamic_shapes=shapes,
            opset_version=OPSET,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            verbose=False,
            external_data=False,
        )
    assert program is not None
    model = program.model_proto
    _tidied(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _tidied(model: Any) -> None:
    """Remove traces of the exporter's machine, such as paths, from all nodes and values."""
    parts = [model.graph, *model.functions]
    for part in parts:
        values = [*getattr(part, "input", []), *getattr(part, "output", []), *part.value_info]
        for entry in (part, *part.node, *values, *getattr(part, "initializer", [])):
            if hasattr(entry, "metadata_props"):
                del entry.metadata_props[:]
            if hasattr(entry, "doc_string"):
                entry.doc_string = ""


def with_facts(content: bytes, facts: Mapping[str, Any]) -> bytes:
    """Return the file with these facts in its metadata, texts as they are and all else as JSON."""
    import onnx

    model = onnx.load_from_string(content)
    for key, value in facts.items():
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        model.metadata_props.add(key=f"ganatomy.{key}", value=text)
    onnx.checker.check_model(model)
    done: bytes = model.SerializeToString(deterministic=True)
    return done


def session(content: bytes) -> Callable[..., list[Any]]:
    """Return an ONNX file as a function of arrays, run by onnxruntime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    opened = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in opened.get_inputs()]

    def call(*arrays: Any) -> list[Any]:
        found: list[Any] = opened.run(None, dict(zip(names, arrays, strict=True)))
        return found

    return call


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep exporters from writing to the terminal."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
