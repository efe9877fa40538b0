"""From torch to ONNX: a module, and its gradient too, as a plain graph."""
