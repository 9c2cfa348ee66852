"""FAISS-trained IVF-PQ indexes inside Lance, full-text and scalar indexes beside them.

quantizer < build
"""
