"""Owns what tests share: each module carries the name of the thing it stands in for."""
