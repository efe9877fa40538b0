"""ONNX Runtime: devices and sessions. Nothing outside this room imports it."""
