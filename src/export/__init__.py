"""A finished run as files for other programs: ONNX, TorchScript, safetensors, a MONAI bundle, a card."""
