"""Encoders behind narrow protocols. The only package that imports torch, ONNX Runtime and the like.

Others use `protocols` (what an encoder does), `registry` (loading one by its name) and `weights`.
"""
