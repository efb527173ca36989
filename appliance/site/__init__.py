"""Owns config.yaml and what becomes of it: read, checked whole, rendered; runs at start, before any daemon.

No daemon reads YAML; they read what is rendered here.
"""
