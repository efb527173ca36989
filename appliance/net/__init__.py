"""Owns sockets of the network, TLS and DNS: what a daemon needs before a protocol begins."""
