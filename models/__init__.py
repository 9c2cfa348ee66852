"""Encoders behind narrow protocols. The only room that knows torch, onnxruntime and their kin."""
