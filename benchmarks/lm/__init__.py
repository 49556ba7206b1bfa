"""Scoring over architectures and tokenizers, against plain loops."""
