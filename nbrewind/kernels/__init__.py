"""The audit and repeat kernels, the extension for a stock kernel, and headless runs: three doors to one session.

Imports everything below; only the command line imports it.
"""
