"""Owns mail that comes in from the network: runs as qmaild, who may reach neither queue files nor hashes.

A verb returns a reply and one loop writes it; every sentence a peer hears stands in replies.
"""
