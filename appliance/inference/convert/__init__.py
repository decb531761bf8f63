"""Turns published model files into ONNX. Runs in an environment of its own: stdlib, numpy, onnx."""
